"""Circuit breakers in the database: opened by failures on the vendor's side, then probed with one task."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog
from closet_messaging.transaction import Connection
from prometheus_client import Counter as Metric

from perfect_adapter.queue.store import BlockedFeatures
from perfect_adapter.vendor.answers import Failed, NoAnswer, Succeeded, TimedOut
from perfect_adapter.vendor.errors import Fault, engine_failure

log = structlog.get_logger(__name__)

OPENED = Metric("closet_vendor_circuit_opened_total", "Times that a feature's circuit opened", ["feature"])

THRESHOLD = 5
_OPEN_FIRST_S = 30.0
_OPEN_LONGEST_S = 600.0
PROBE_S = 60.0
"""How long one probe may take before another is sent."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """`failures` in a row; `open_s`: seconds for which it stays open, 0 if it is closed or half open."""

    feature: str
    failures: int
    open_s: float

    @property
    def is_open(self) -> bool:
        return self.open_s > 0

    @property
    def is_half_open(self) -> bool:
        """Return whether one task may show whether the feature works again."""
        return self.failures >= THRESHOLD and not self.is_open


def open_for_s(failures: int) -> float:
    """Return the seconds for which it opens after so many failures in a row; 0 below the threshold."""
    if failures < THRESHOLD:
        return 0.0
    return min(_OPEN_FIRST_S * 2.0 ** min(failures - THRESHOLD, 10), _OPEN_LONGEST_S)


async def read_blocked(conn: Connection) -> BlockedFeatures:
    """Return the features that are blocked, and those of which one probe may go."""
    circuits = await read(conn)
    half_open = [circuit.feature for circuit in circuits if circuit.is_half_open]
    return BlockedFeatures([circuit.feature for circuit in circuits if circuit.is_open], half_open)


async def note_probes(conn: Connection, half_open: Collection[str], chosen: Collection[str]) -> None:
    """Block a half-open feature of which a task was chosen until that has ended.

    One whose turn has not come stays half open: the load of others must not take its probe away.
    """
    for feature in sorted(set(half_open) & set(chosen)):
        await _open_for(conn, feature, PROBE_S)


async def note_outcomes(conn: Connection, outcomes: Sequence[tuple[str, object]]) -> None:
    """Count the outcomes of orders and tasks for their features. Polls are no outcomes: each task counts once."""
    failed = Counter(feature for feature, answer in outcomes if _is_engine_side(answer))
    for feature in sorted(failed):
        failures = await _count_failure(conn, feature)
        if seconds := open_for_s(failures):
            await _open_for(conn, feature, seconds)
            OPENED.labels(feature).inc()
            log.error("circuit_opened", feature=feature, failures=failures, seconds=seconds)
    if working := [feature for feature, answer in outcomes if _works(answer) and feature not in failed]:
        await _close(conn, working)


def _is_engine_side(answer: object) -> bool:
    return isinstance(answer, NoAnswer | TimedOut) or (isinstance(answer, Failed) and _is_the_vendors(answer.code))


def _works(answer: object) -> bool:
    return isinstance(answer, Succeeded) or (isinstance(answer, Failed) and not _is_the_vendors(answer.code))


def _is_the_vendors(code: str) -> bool:
    return engine_failure(code).fault is Fault.VENDOR


async def read(conn: Connection) -> list[Circuit]:
    """Return the circuits of features that have failed lately."""
    rows = await conn.fetch(
        """
        SELECT feature, failures, greatest(0, extract(epoch FROM open_until - now()))::float8 AS open_s FROM circuits
        WHERE failures > 0
        """
    )
    return [Circuit(row["feature"], row["failures"], row["open_s"]) for row in rows]


async def _open_for(conn: Connection, feature: str, seconds: float) -> None:
    """Open a feature's circuit for a while."""
    await conn.execute(
        "UPDATE circuits SET open_until = now() + make_interval(secs => $2) WHERE feature = $1", feature, seconds
    )


async def _count_failure(conn: Connection, feature: str) -> int:
    """Count one more failure in a row, and return how many there are."""
    failures: int = await conn.fetchval(
        """
        INSERT INTO circuits AS c (feature, failures) VALUES ($1, 1)
        ON CONFLICT (feature) DO UPDATE SET failures = c.failures + 1 RETURNING failures
        """,
        feature,
    )
    return failures


async def _close(conn: Connection, features: Sequence[str]) -> None:
    """Close the circuits of these features."""
    await conn.execute(
        "UPDATE circuits SET failures = 0, open_until = 'epoch' WHERE feature = ANY($1) AND failures > 0",
        sorted(set(features)),
    )
