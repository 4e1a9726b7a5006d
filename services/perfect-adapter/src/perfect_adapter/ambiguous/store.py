"""Ambiguous orders in the database, and tasks of no known order."""

from collections.abc import Collection, Sequence
from datetime import datetime

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

from perfect_adapter.ambiguous.decision import (
    CLOCKS_DIFFER_S,
    CompetingOrders,
    Ownership,
    UnmatchedTask,
    latest_order_time,
)
from perfect_adapter.queue.assignment import alike
from perfect_adapter.renders.render import COLUMNS, Render, render_of
from perfect_adapter.vendor.answers import UnitCharge


async def lock_next_due(conn: Connection, keys: Collection[str]) -> Render | None:
    """Lock and return the order that is due to be searched for next."""
    row = await conn.fetchrow(
        f"""
        SELECT {COLUMNS} FROM renders
        WHERE state IN ('submitting', 'doubtful', 'running') AND state = 'doubtful' AND due_at <= now()
            AND key = ANY($1) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 a literal
        list(keys),
    )
    return render_of(row) if row else None


async def unmatched_tasks(conn: Connection, render: Render) -> list[UnmatchedTask]:
    """Return tasks that may be this order's: named by a webhook or charged since, and of no known render."""
    rows = await conn.fetch(
        """
        WITH seen AS (
            SELECT task_id, received_at AS at FROM webhooks
                WHERE settled_at IS NULL AND received_at > $3::timestamptz - make_interval(secs => $4)
            UNION ALL SELECT task_id, seen_at FROM strays
                WHERE key = $1 AND feature = $2 AND seen_at > $3::timestamptz - make_interval(secs => $4)
        ), first AS (SELECT task_id, min(at) AS at FROM seen GROUP BY task_id)
        SELECT first.task_id, first.at, coalesce(s.verdict, 'unknown') AS ownership
        FROM first LEFT JOIN strays s ON s.task_id = first.task_id AND s.key = $1 AND s.feature = $2
        WHERE NOT EXISTS (SELECT FROM renders r WHERE r.task_id = first.task_id) ORDER BY first.task_id
        """,
        render.key,
        render.feature.path,
        render.ordered_at,
        CLOCKS_DIFFER_S,
    )
    return [UnmatchedTask(row["task_id"], Ownership(row["ownership"]), row["at"]) for row in rows]


async def competing_orders(
    conn: Connection, render: Render, unmatched: Collection[UnmatchedTask], longest_s: float
) -> CompetingOrders:
    """Return other orders of the same key and path that may have made one of the unmatched tasks.

    Call it after `unmatched_tasks`: an order that was open when those were read still counts, or has its task's id.
    `longest_s`: how long after its order a task may still turn up.
    """
    row = await conn.fetchrow(
        """
        SELECT count(*) FILTER (WHERE state = 'submitting' AND asked_at <= $5) AS in_hand,
            count(*) FILTER (WHERE state <> 'submitting' OR asked_at > $5 OR $5 IS NULL) + (
                SELECT count(*) FROM repeated_orders
                WHERE key = $1 AND feature = ANY($2) AND render_id <> $3
                    AND asked_at > now() - make_interval(secs => $4)
            ) AS others
        FROM renders
        WHERE key = $1 AND feature = ANY($2) AND task_id IS NULL AND asked_at IS NOT NULL AND render_id <> $3
            AND (state IN ('doubtful', 'submitting')
                OR code = 'vendor_ambiguous' AND asked_at > now() - make_interval(secs => $4))
        """,
        render.key,
        alike(render.feature.name),
        render.render_id,
        longest_s,
        latest_order_time(unmatched),
    )
    return CompetingOrders(row["in_hand"], row["others"]) if row else CompetingOrders()


async def add_charges(conn: Connection, render: Render, charges: Sequence[UnitCharge]) -> None:
    """Store charges for tasks of no known render. Their times are by our clock."""
    since = render.ordered_at
    fresh = sorted(
        (one for one in charges if since and (since - one.at).total_seconds() < CLOCKS_DIFFER_S),
        key=lambda one: one.task_id,
    )
    known = {
        row["task_id"]
        for row in await conn.fetch(
            "SELECT task_id FROM renders WHERE task_id = ANY($1)", [one.task_id for one in fresh]
        )
    }
    for one in fresh:
        if one.task_id not in known:
            await add_task(conn, one.task_id, render, Ownership.UNKNOWN, one.at)


async def add_task(
    conn: Connection, task_id: str, render: Render, ownership: Ownership, seen_at: datetime | None = None
) -> None:
    """Store what is known of a task by this order's key and path; it is never taken back."""
    await conn.execute(
        """
        INSERT INTO strays AS s (task_id, key, feature, verdict, seen_at)
        VALUES ($1, $2, $3, $4, coalesce($5, now()))
        ON CONFLICT (task_id, key, feature) DO UPDATE SET verdict = excluded.verdict WHERE s.verdict = 'unknown'
        """,
        task_id,
        render.key,
        render.feature.path,
        ownership.value,
        seen_at,
    )


async def claim_task(conn: Connection, render: Render, task_id: str) -> None:
    """Make the task this order's: it is running, and polled at once."""
    await conn.execute(
        """
        UPDATE renders SET state = 'running', task_id = $2, task_began_at = asked_at, lease = NULL, due_at = now()
        WHERE render_id = $1
        """,
        render.render_id,
        task_id,
    )


async def schedule_search(conn: Connection, render: Render, in_s: float) -> None:
    """Keep it ambiguous, and schedule the next step."""
    await conn.execute(
        """
        UPDATE renders SET lease = NULL, due_at = now() + make_interval(secs => $2), doubts = doubts + 1
        WHERE render_id = $1
        """,
        render.render_id,
        in_s,
    )


async def record_search(conn: Connection, render: Render, *, is_searched: bool) -> None:
    """Record that the vendor was asked; `is_searched`: the history, read back to the order, does not show the task."""
    await conn.execute(
        """
        UPDATE renders SET tried_at = now(), searched_at = CASE WHEN $2 THEN now() ELSE searched_at END,
            in_vain = CASE WHEN $2 THEN 0 ELSE in_vain + 1 END
        WHERE render_id = $1
        """,
        render.render_id,
        is_searched,
    )


async def count_repeats_today(conn: Connection) -> int:
    """Return how many orders were repeated within a day, although the first may have been carried out."""
    found: int = await conn.fetchval(
        "SELECT coalesce(sum(repeats), 0) FROM renders WHERE repeats > 0 AND created_at > now() - interval '1 day'"
    )
    return found


async def repeat(conn: Connection, render: Render) -> None:
    """Return it to the queue: the first order's task was not found, although it may have been carried out."""
    await conn.execute(
        "INSERT INTO repeated_orders SELECT render_id, key, feature, asked_at FROM renders WHERE render_id = $1",
        render.render_id,
    )
    await conn.execute(
        """
        UPDATE renders SET state = 'waiting', repeats = repeats + 1, lease = NULL, due_at = now(), key = NULL,
            asked_at = NULL
        WHERE render_id = $1
        """,
        render.render_id,
    )


async def read_times(conn: Connection, task_ids: Collection[str]) -> dict[str, tuple[datetime, datetime]]:
    """Return of known tasks when each was ordered, and when it is known to have ended, by our clock."""
    rows = await conn.fetch(
        """
        SELECT task_id, asked_at, coalesce(told_at, ended_at, now()) AS ended_at FROM renders
        WHERE task_id = ANY($1) AND asked_at IS NOT NULL
        """,
        list(task_ids),
    )
    return {row["task_id"]: (row["asked_at"], row["ended_at"]) for row in rows}


async def delete_old(conn: Connection, older_than_s: float, limit: int) -> int:
    """Delete up to `limit` old unmatched tasks and repeated orders each, and return how many at most."""
    found = 0
    for table, column in (("strays", "seen_at"), ("repeated_orders", "asked_at")):
        status = await conn.execute(
            f"""
            DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM {table} WHERE {column} < now() - make_interval(secs => $1)
                LIMIT $2 FOR UPDATE SKIP LOCKED
            ))
            """,  # noqa: S608 literals
            older_than_s,
            limit,
        )
        found = max(found, affected(status))
    return found
