"""Circuit breakers: a feature that keeps failing on the vendor's side is left alone, then probed with one task."""

from collections import Counter
from collections.abc import Sequence

import structlog
from closet_messaging.unit import Connection
from prometheus_client import Counter as Metric

from perfect_adapter.domain.breaker import open_for_s
from perfect_adapter.domain.errors import ENGINE_SIDE
from perfect_adapter.ports import Failed, NoAnswer, Succeeded
from perfect_adapter.store import room
from perfect_adapter.store.room import Closed

log = structlog.get_logger(__name__)

OPENED = Metric("closet_vendor_circuit_opened_total", "Times a feature was left alone", ["feature"])


async def closed(conn: Connection, probe_s: float) -> Closed:
    """What may not go now. A feature that is half open is blocked from the next time on, until its probe has ended."""
    circuits = await room.circuits(conn)
    half_open = [circuit.feature for circuit in circuits if circuit.is_half_open]
    for feature in half_open:
        await room.block(conn, feature, probe_s)
    return Closed([circuit.feature for circuit in circuits if circuit.blocks], half_open)


async def note(conn: Connection, outcomes: Sequence[tuple[str, object]]) -> None:
    """What the outcomes of calls and tasks say about their features."""
    failed = Counter(feature for feature, answer in outcomes if _is_engine_side(answer))
    for feature in sorted(failed):
        failures = await room.count_failure(conn, feature)
        if seconds := open_for_s(failures):
            await room.block(conn, feature, seconds)
            OPENED.labels(feature).inc()
            log.error("vendor_feature_left_alone", feature=feature, failures=failures, seconds=seconds)
    if works := [feature for feature, answer in outcomes if _works(answer) and feature not in failed]:
        await room.close_circuits(conn, works)


def _is_engine_side(answer: object) -> bool:
    return isinstance(answer, NoAnswer) or (isinstance(answer, Failed) and answer.code in ENGINE_SIDE)


def _works(answer: object) -> bool:
    return isinstance(answer, Succeeded) or (isinstance(answer, Failed) and answer.code not in ENGINE_SIDE)
