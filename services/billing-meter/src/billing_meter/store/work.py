"""What there is to do with Stripe, claimed with a lease that every outcome checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from closet_messaging.transaction import Connection

from billing_meter.domain.stripe import REPEATABLE_FOR

LEASE = timedelta(seconds=90)
"""Longer than a clerk's handful of calls may take, each at its slowest."""


class NewWork(NamedTuple):
    """Something to do with Stripe. The id is what Stripe knows a repetition by, or an event's own."""

    work_id: str
    kind: str
    tenant_id: str | None
    body: Mapping[str, Any]
    state: str = "due"


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work in hand. `attempts` is the lease: whoever claims it next counts one more."""

    work_id: str
    kind: str
    tenant_id: str | None
    body: Mapping[str, Any]
    at: datetime
    attempts: int
    generation: int
    claimed_at: datetime

    @property
    def key(self) -> str:
        """What Stripe knows a repetition by."""
        return f"{self.work_id}.{self.generation}" if self.generation else self.work_id


async def add(conn: Connection, new: NewWork) -> bool:
    """Keep it, unless it is kept already: False then."""
    tag = await conn.execute(_ADD, *new)
    return tag == "INSERT 0 1"


async def claim(conn: Connection, limit: int) -> Sequence[Work]:
    """Take what is due, for as long as the lease lasts."""
    rows = await conn.fetch(
        """
        UPDATE stripe_work SET attempts = attempts + 1, due_at = now() + $2::interval,
            first_tried_at = coalesce(first_tried_at, now())
        WHERE work_id = ANY (ARRAY(
            SELECT work_id FROM stripe_work WHERE state = 'due' AND due_at <= now()
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED))
        RETURNING work_id, kind, tenant_id, body, at, attempts, generation, clock_timestamp() AS claimed_at
        """,
        limit,
        LEASE,
    )
    return [Work(**row) for row in rows]


async def finish(conn: Connection, work: Work, state: str, outcome: str | None = None) -> bool:
    """Note how it ended; False if it is not in our hands any more."""
    tag = await conn.execute(
        """
        UPDATE stripe_work SET state = $3, outcome = $4, done_at = now(), error = CASE WHEN $3 = 'failed' THEN $4 END
        WHERE work_id = $1 AND attempts = $2 AND state = 'due'
        """,
        work.work_id,
        work.attempts,
        state,
        outcome,
    )
    return tag == "UPDATE 1"


async def postpone(conn: Connection, work: Work, delay: timedelta, error: str) -> None:
    """Try again later; or, if Stripe would not know it any more by then, leave it to a person. Events are only read."""
    await conn.execute(
        """
        UPDATE stripe_work SET due_at = now() + $3::interval, error = $4,
            state = CASE WHEN kind <> 'event' AND now() + $3::interval > first_tried_at + $5::interval
                THEN 'doubtful' ELSE 'due' END
        WHERE work_id = $1 AND attempts = $2 AND state = 'due'
        """,
        work.work_id,
        work.attempts,
        delay,
        error,
        REPEATABLE_FOR,
    )


async def seconds_to_next(conn: Connection) -> float | None:
    """Seconds until something is due; None if there is nothing to do."""
    seconds: float | None = await conn.fetchval(
        "SELECT extract(epoch FROM min(due_at) - now())::float8 FROM stripe_work WHERE state = 'due'"
    )
    return seconds


async def counts(conn: Connection) -> Mapping[tuple[str, str], int]:
    """How much of each kind waits, or needs a person."""
    rows = await conn.fetch(
        """SELECT kind, state, count(*)::int AS count FROM stripe_work
        WHERE state IN ('due', 'failed', 'doubtful') GROUP BY kind, state"""
    )
    return {(row["kind"], row["state"]): row["count"] for row in rows}


async def stuck(conn: Connection, limit: int) -> Sequence[Mapping[str, Any]]:
    """What failed or is doubtful, the oldest first."""
    rows = await conn.fetch(
        """SELECT work_id, kind, tenant_id, state, attempts, error, at::text AS at FROM stripe_work
        WHERE state IN ('failed', 'doubtful') ORDER BY stripe_work.at, work_id LIMIT $1""",
        limit,
    )
    return [dict(row) for row in rows]


async def again(conn: Connection, work_id: str) -> bool:
    """Have it done anew, for a person has looked; False if it is not stuck."""
    tag = await conn.execute(
        """UPDATE stripe_work SET state = 'due', due_at = now(), first_tried_at = NULL, generation = generation + 1
        WHERE work_id = $1 AND state IN ('failed', 'doubtful')""",
        work_id,
    )
    return tag == "UPDATE 1"


async def reject_usage(conn: Connection, usage_id: str, code: str, repeat_at: datetime | None) -> None:
    """Stripe had taken it and could not use it: to be told again at that time, or failed for good."""
    await conn.execute(
        """
        UPDATE stripe_work SET error = $2, generation = generation + 1, first_tried_at = NULL,
            state = CASE WHEN $3::timestamptz IS NULL THEN 'failed' ELSE 'due' END, due_at = coalesce($3, due_at)
        WHERE work_id = $1 AND kind = 'usage' AND state = 'done'
        """,
        usage_id,
        code,
        repeat_at,
    )


async def used_at(conn: Connection, usage_id: str) -> datetime | None:
    """When that usage was; None if it is not ours."""
    at: datetime | None = await conn.fetchval(
        "SELECT at FROM stripe_work WHERE work_id = $1 AND kind = 'usage'", usage_id
    )
    return at


_ADD = """
    INSERT INTO stripe_work (work_id, kind, tenant_id, body, state) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
# Usage of those tenants only that Stripe meters.
ADD_USAGE = """
    INSERT INTO stripe_work (work_id, kind, tenant_id, body)
    SELECT $1, 'usage', tenant_id, jsonb_build_object('credits', $3::bigint)
    FROM customers WHERE tenant_id = $2 AND metered_since IS NOT NULL ON CONFLICT DO NOTHING
"""
