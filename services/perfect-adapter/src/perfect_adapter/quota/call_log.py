"""The call log: every call is charged to its API key and its egress address before it is made, by any replica.

Beside it, samples of the vendor's clock from the answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

from perfect_adapter.vendor.clock import SAMPLED_EVERY_S, SAMPLES


@dataclass(frozen=True, slots=True)
class CallCharge:
    """A call that is about to be made."""

    key: str
    egress: str
    operation: str
    render_id: str | None = None


async def charge(conn: Connection, calls: Sequence[CallCharge]) -> list[int]:
    """Add these calls, and return their ids in order."""
    if not calls:
        return []
    rows = await conn.fetch(
        """
        INSERT INTO vendor_calls (key, egress, operation, render_id)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) RETURNING call_id
        """,
        [call.key for call in calls],
        [call.egress for call in calls],
        [call.operation for call in calls],
        [call.render_id for call in calls],
    )
    return [row["call_id"] for row in rows]


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended; `is_sent` is false if it provably never left."""

    text: str
    is_sent: bool


async def settle(conn: Connection, outcomes: Mapping[int, CallOutcome]) -> None:
    """Record how these calls ended."""
    await conn.execute(
        """
        UPDATE vendor_calls AS c SET ended_at = clock_timestamp(), outcome = o.outcome, sent = o.sent
        FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS o (call_id, outcome, sent) WHERE c.call_id = o.call_id
        """,
        list(outcomes),
        [outcome.text for outcome in outcomes.values()],
        [outcome.is_sent for outcome in outcomes.values()],
    )


async def delete_old(conn: Connection, older_than_s: float, limit: int) -> int:
    """Delete up to `limit` old calls, the oldest first, and return how many.

    Calls are added in the order of their ids, so the oldest are found without reading the others.
    """
    status = await conn.execute(
        """
        WITH oldest AS (SELECT call_id, at FROM vendor_calls ORDER BY call_id LIMIT $2)
        DELETE FROM vendor_calls AS c USING oldest
        WHERE c.call_id = oldest.call_id AND oldest.at < now() - make_interval(secs => $1)
        """,
        older_than_s,
        limit,
    )
    return affected(status)


async def count_by_render(conn: Connection, render_ids: Sequence[str]) -> Mapping[str, int]:
    """Return the number of calls that were made for each of these renders."""
    rows = await conn.fetch(
        "SELECT render_id, count(*) FROM vendor_calls WHERE render_id = ANY($1) AND sent GROUP BY render_id", render_ids
    )
    return {row["render_id"]: row["count"] for row in rows}


async def list_calls(conn: Connection, render_id: str) -> Sequence[asyncpg.Record]:
    """Return the calls of a render, in order."""
    return await conn.fetch(
        "SELECT operation, key, egress, at, ended_at, outcome FROM vendor_calls WHERE render_id = $1 ORDER BY call_id",
        render_id,
    )


async def add_clock_sample(conn: Connection, vendor_s: float, ago_s: float) -> None:
    """Add a sample: the vendor's clock showed `vendor_s` (epoch seconds) `ago_s` seconds ago.

    A few are kept, some time apart.
    """
    await conn.execute(
        """
        UPDATE vendor_clock SET sampled_at = clock_timestamp(), samples = (
            samples || ($1::float8 - extract(epoch FROM clock_timestamp())::float8 + $2::float8)
        )[greatest(1, cardinality(samples) + 2 - $3::integer):]
        WHERE sampled_at < clock_timestamp() - make_interval(secs => $4)
        """,
        vendor_s,
        ago_s,
        SAMPLES,
        SAMPLED_EVERY_S,
    )


async def read_clock_samples(conn: Connection) -> list[float]:
    """Return the seconds that the vendor's clock was ahead, the newest last."""
    return list(await conn.fetchval("SELECT samples FROM vendor_clock"))
