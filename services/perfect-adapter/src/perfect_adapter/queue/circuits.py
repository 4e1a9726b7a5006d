"""Circuit breakers in the database: opened by failures on the vendor's side, then probed with one task."""

from collections import Counter
from collections.abc import Collection, Sequence

import structlog
from closet_messaging.unit import Connection
from prometheus_client import Counter as Metric

from perfect_adapter.queue import circuit_store
from perfect_adapter.queue.breaker import PROBE_S, open_for_s
from perfect_adapter.queue.store import BlockedFeatures
from perfect_adapter.vendor.answers import Failed, NoAnswer, Succeeded, TimedOut
from perfect_adapter.vendor.errors import Fault, engine_failure

log = structlog.get_logger(__name__)

OPENED = Metric("closet_vendor_circuit_opened_total", "Times that a feature's circuit opened", ["feature"])


async def read_blocked(conn: Connection) -> BlockedFeatures:
    """Return the features that are blocked, and those of which one probe may go."""
    circuits = await circuit_store.read(conn)
    half_open = [circuit.feature for circuit in circuits if circuit.is_half_open]
    return BlockedFeatures([circuit.feature for circuit in circuits if circuit.is_open], half_open)


async def note_probes(conn: Connection, half_open: Collection[str], chosen: Collection[str]) -> None:
    """Block a half-open feature of which a task was chosen until that has ended.

    One whose turn has not come stays half open: the load of others must not take its probe away.
    """
    for feature in sorted(set(half_open) & set(chosen)):
        await circuit_store.open_for(conn, feature, PROBE_S)


async def note_outcomes(conn: Connection, outcomes: Sequence[tuple[str, object]]) -> None:
    """Count the outcomes of orders and tasks for their features. Polls are no outcomes: each task counts once."""
    failed = Counter(feature for feature, answer in outcomes if _is_engine_side(answer))
    for feature in sorted(failed):
        failures = await circuit_store.count_failure(conn, feature)
        if seconds := open_for_s(failures):
            await circuit_store.open_for(conn, feature, seconds)
            OPENED.labels(feature).inc()
            log.error("circuit_opened", feature=feature, failures=failures, seconds=seconds)
    if working := [feature for feature, answer in outcomes if _works(answer) and feature not in failed]:
        await circuit_store.close(conn, working)


def _is_engine_side(answer: object) -> bool:
    return isinstance(answer, NoAnswer | TimedOut) or (isinstance(answer, Failed) and _is_the_vendors(answer.code))


def _works(answer: object) -> bool:
    return isinstance(answer, Succeeded) or (isinstance(answer, Failed) and not _is_the_vendors(answer.code))


def _is_the_vendors(code: str) -> bool:
    return engine_failure(code).fault is Fault.VENDOR
