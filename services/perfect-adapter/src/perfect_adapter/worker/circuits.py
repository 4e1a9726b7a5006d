"""Circuit breakers: a feature that keeps failing on the vendor's side is left alone, then probed with one task."""

from collections import Counter
from collections.abc import Collection, Sequence

import structlog
from closet_messaging.transaction import Connection
from prometheus_client import Counter as Metric

from perfect_adapter.domain.breaker import PROBE_S, open_for_s
from perfect_adapter.domain.errors import Fault, engine_failure
from perfect_adapter.ports import Failed, NoAnswer, Succeeded, TimedOut
from perfect_adapter.store import circuits as store
from perfect_adapter.store.room import Closed

log = structlog.get_logger(__name__)

OPENED = Metric("closet_vendor_circuit_opened_total", "Times a feature was left alone", ["feature"])


async def closed(conn: Connection) -> Closed:
    """What may not go now, and of what one may."""
    circuits = await store.read(conn)
    half_open = [circuit.feature for circuit in circuits if circuit.is_half_open]
    return Closed([circuit.feature for circuit in circuits if circuit.blocks], half_open)


async def note_probes(conn: Connection, half_open: Collection[str], chosen: Collection[str]) -> None:
    """Of a half-open feature of which a task was chosen nothing more goes until that has ended.

    One whose turn has not come stays half open: others' load must not take its probe away.
    """
    for feature in sorted(set(half_open) & set(chosen)):
        await store.block(conn, feature, PROBE_S)


async def note(conn: Connection, outcomes: Sequence[tuple[str, object]]) -> None:
    """What became of orders and tasks says something about their features. Each counts once: looks are no outcomes."""
    failed = Counter(feature for feature, answer in outcomes if _is_engine_side(answer))
    for feature in sorted(failed):
        failures = await store.count_failure(conn, feature)
        if seconds := open_for_s(failures):
            await store.block(conn, feature, seconds)
            OPENED.labels(feature).inc()
            log.error("vendor_feature_left_alone", feature=feature, failures=failures, seconds=seconds)
    if works := [feature for feature, answer in outcomes if _works(answer) and feature not in failed]:
        await store.close(conn, works)


def _is_engine_side(answer: object) -> bool:
    return isinstance(answer, NoAnswer | TimedOut) or (isinstance(answer, Failed) and _is_the_vendors(answer.code))


def _works(answer: object) -> bool:
    return isinstance(answer, Succeeded) or (isinstance(answer, Failed) and not _is_the_vendors(answer.code))


def _is_the_vendors(code: str) -> bool:
    return engine_failure(code).fault is Fault.VENDOR
