"""What came of earlier attempts to handle a message: the bus counts deliveries, and not why there were so many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from closet_chassis.postgres import Pool

from closet_messaging.delivery import Delivery

_READ = """
    SELECT stream_seq, failures, interruptions FROM inbox_attempts
    WHERE stream = $1 AND (event_id, stream_seq) IN (SELECT * FROM unnest($2::uuid[], $3::bigint[]))
"""
# Said twice of one delivery, it counts once.
_BEGIN = """
    INSERT INTO inbox_attempts AS known (event_id, stream, stream_seq, interruptions, begun_in)
    VALUES ($1, $2, $3, 1, $4)
    ON CONFLICT (event_id, stream, stream_seq) DO UPDATE SET
        interruptions = known.interruptions + (known.begun_in < $4)::int, begun_in = $4, attempted_at = now()
"""
_FAIL = """
    INSERT INTO inbox_attempts AS known (event_id, stream, stream_seq, failures)
    VALUES ($1, $2, $3, 1)
    ON CONFLICT (event_id, stream, stream_seq) DO UPDATE SET
        failures = known.failures + 1, interruptions = known.interruptions - (known.begun_in = $4)::int,
        begun_in = 0, attempted_at = now()
    RETURNING failures
"""


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a message failed, and how often a process ended while it was at it."""

    failures: int = 0
    interruptions: int = 0


async def read(pool: Pool, deliveries: Sequence[Delivery]) -> Mapping[int, Attempts]:
    """What is known of these messages of one stream, by their number in it."""
    ids, numbers = [one.event.id for one in deliveries], [one.number for one in deliveries]
    rows = await pool.fetch(_READ, deliveries[0].stream, ids, numbers)
    known = {row["stream_seq"]: Attempts(row["failures"], row["interruptions"]) for row in rows}
    return {number: known.get(number, Attempts()) for number in numbers}


async def begin(pool: Pool, delivery: Delivery) -> None:
    """About to handle it. Unless `fail` is called, or the event is handled, this counts as an interruption."""
    await pool.execute(_BEGIN, delivery.event.id, delivery.stream, delivery.number, delivery.attempt)


async def fail(pool: Pool, delivery: Delivery) -> int:
    """Its handler failed; returns how often it has."""
    return int(await pool.fetchval(_FAIL, delivery.event.id, delivery.stream, delivery.number, delivery.attempt))
