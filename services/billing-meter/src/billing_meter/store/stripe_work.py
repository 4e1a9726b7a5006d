"""Work items: what there is to do with Stripe, claimed with a lease that every outcome checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

from billing_meter.domain.stripe import REPEATABLE_FOR, WorkKind, WorkState

LEASE = timedelta(seconds=90)
"""Longer than a handful of calls may take, each at its slowest; prolonged while the item is worked on."""


class NewWorkItem(NamedTuple):
    """Something to do with Stripe. The id is what Stripe knows a repetition by, or an event's own."""

    work_id: str
    kind: WorkKind
    tenant_id: str | None
    body: Mapping[str, Any]
    state: WorkState = WorkState.DUE


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A claimed work item. `attempts` is the lease: whoever claims it next counts one more."""

    work_id: str
    kind: WorkKind
    tenant_id: str | None
    body: Mapping[str, Any]
    at: datetime
    attempts: int
    generation: int
    claimed_at: datetime

    @property
    def key(self) -> str:
        """Return the idempotency key, by which Stripe recognises a repetition."""
        return f"{self.work_id}.{self.generation}" if self.generation else self.work_id


async def add(conn: Connection, new: NewWorkItem) -> bool:
    """Add a work item; return False if there is one of this id."""
    return affected(await conn.execute(_ADD, *new)) == 1


async def claim(conn: Connection, limit: int) -> Sequence[WorkItem]:
    """Claim what is due, for as long as the lease lasts."""
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
    return [WorkItem(**{**row, "kind": WorkKind(row["kind"])}) for row in rows]


async def renew(conn: Connection, items: Sequence[WorkItem]) -> None:
    """Prolong the leases of claimed items, where they still hold."""
    await conn.execute(
        """
        UPDATE stripe_work w SET due_at = now() + $3::interval
        FROM unnest($1::text[], $2::int[]) AS claimed (work_id, attempts)
        WHERE w.work_id = claimed.work_id AND w.attempts = claimed.attempts AND w.state = 'due'
        """,
        [item.work_id for item in items],
        [item.attempts for item in items],
        LEASE,
    )


async def finish(conn: Connection, item: WorkItem, state: WorkState, outcome: str | None = None) -> bool:
    """Record how an item ended; return False, and record nothing, if its lease does not hold any more."""
    tag = await conn.execute(
        """
        UPDATE stripe_work SET state = $3, outcome = $4, done_at = now(), error = CASE WHEN $3 = 'failed' THEN $4 END
        WHERE work_id = $1 AND attempts = $2 AND state = 'due'
        """,
        item.work_id,
        item.attempts,
        state,
        outcome,
    )
    return affected(tag) == 1


async def postpone(conn: Connection, item: WorkItem, delay: timedelta, error: str) -> None:
    """Try again later; or, if Stripe would not recognise a repetition by then, leave it to a person.

    Events are only read: they are tried for ever. Nothing is recorded if the lease does not hold any more.
    """
    await conn.execute(
        """
        UPDATE stripe_work SET due_at = now() + $3::interval, error = $4,
            state = CASE WHEN kind <> 'event' AND now() + $3::interval > first_tried_at + $5::interval
                THEN 'doubtful' ELSE 'due' END
        WHERE work_id = $1 AND attempts = $2 AND state = 'due'
        """,
        item.work_id,
        item.attempts,
        delay,
        error,
        REPEATABLE_FOR,
    )


async def seconds_to_next(conn: Connection) -> float | None:
    """Return the seconds until something is due; None if there is nothing to do."""
    seconds: float | None = await conn.fetchval(
        "SELECT extract(epoch FROM min(due_at) - now())::float8 FROM stripe_work WHERE state = 'due'"
    )
    return seconds


async def counts(conn: Connection) -> Mapping[tuple[WorkKind, WorkState], int]:
    """Return how many items of each kind wait, or need a person."""
    rows = await conn.fetch(
        """SELECT kind, state, count(*)::int AS count FROM stripe_work
        WHERE state IN ('due', 'failed', 'doubtful') GROUP BY kind, state"""
    )
    return {(WorkKind(row["kind"]), WorkState(row["state"])): row["count"] for row in rows}


async def failed(conn: Connection, limit: int) -> Sequence[Mapping[str, Any]]:
    """Return the items that failed or are ambiguous, the oldest first."""
    rows = await conn.fetch(
        """SELECT work_id, kind, tenant_id, state, attempts, error, at::text AS at FROM stripe_work
        WHERE state IN ('failed', 'doubtful') ORDER BY stripe_work.at, work_id LIMIT $1""",
        limit,
    )
    return [{**row, "state": WorkState(row["state"]).name.lower()} for row in rows]


async def retry(conn: Connection, work_id: str) -> bool:
    """Do an item again, for a person has looked at it; return False if it is neither failed nor ambiguous."""
    tag = await conn.execute(
        """UPDATE stripe_work SET state = 'due', due_at = now(), first_tried_at = NULL, generation = generation + 1
        WHERE work_id = $1 AND state IN ('failed', 'doubtful')""",
        work_id,
    )
    return affected(tag) == 1


async def reject_usage(conn: Connection, usage_id: str, code: str, repeat_at: datetime | None) -> None:
    """Record that Stripe could not use what it had accepted: it is sent again at that time, or failed for good."""
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
    """Return when that usage was; None if it is not ours."""
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
