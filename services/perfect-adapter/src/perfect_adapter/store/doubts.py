"""Orders in doubt, and tasks of which no order is known."""

from collections.abc import Collection, Sequence
from datetime import datetime

from closet_messaging.transaction import Connection

from perfect_adapter.domain.account import Charge
from perfect_adapter.domain.doubt import CLOCKS_DIFFER_S, Rivals, Stray, Verdict, may_be_made_until
from perfect_adapter.domain.holds import alike
from perfect_adapter.store.render import COLUMNS, Render, render_of


async def begin(conn: Connection, render_ids: Collection[str], look_in_s: float) -> None:
    """Nobody knows whether these exist at the vendor."""
    await conn.execute(
        """
        UPDATE renders SET state = 'doubtful', lease = NULL, due_at = now() + make_interval(secs => $2), doubts = 0,
            searched_at = NULL, in_vain = 0, tried_at = NULL
        WHERE render_id = ANY($1)
        """,
        list(render_ids),
        look_in_s,
    )


async def next_due(conn: Connection, keys: Collection[str]) -> Render | None:
    """Lock the one that is to be looked for next."""
    row = await conn.fetchrow(
        f"""
        SELECT {COLUMNS} FROM renders
        WHERE state IN ('submitting', 'doubtful', 'running') AND state = 'doubtful' AND due_at <= now()
            AND key = ANY($1) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 a literal
        list(keys),
    )
    return render_of(row) if row else None


async def strays(conn: Connection, render: Render) -> list[Stray]:
    """Tasks that may be of this order: told of or charged since it was made, and of no render that we know."""
    rows = await conn.fetch(
        """
        WITH seen AS (
            SELECT task_id, received_at AS at FROM webhooks
                WHERE settled_at IS NULL AND received_at > $3::timestamptz - make_interval(secs => $4)
            UNION ALL SELECT task_id, seen_at FROM strays
                WHERE key = $1 AND feature = $2 AND seen_at > $3::timestamptz - make_interval(secs => $4)
        ), first AS (SELECT task_id, min(at) AS at FROM seen GROUP BY task_id)
        SELECT first.task_id, first.at, coalesce(s.verdict, 'unknown') AS verdict
        FROM first LEFT JOIN strays s ON s.task_id = first.task_id AND s.key = $1 AND s.feature = $2
        WHERE NOT EXISTS (SELECT FROM renders r WHERE r.task_id = first.task_id) ORDER BY first.task_id
        """,
        render.key,
        render.feature.path,
        render.asked_at,
        CLOCKS_DIFFER_S,
    )
    return [Stray(row["task_id"], Verdict(row["verdict"]), row["at"]) for row in rows]


async def rivals(conn: Connection, render: Render, strays: Collection[Stray], longest_s: float) -> Rivals:
    """Other orders of the same key and path that may have made a task that turns up now.

    To be asked after `strays`: whatever was an order's when those were read still counts, or has its task's id by now.
    `longest_s`: so long after it was ordered a task may still turn up.
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
        may_be_made_until(strays),
    )
    return Rivals(row["in_hand"], row["others"]) if row else Rivals()


async def note_charges(conn: Connection, render: Render, charges: Sequence[Charge]) -> None:
    """Remember charges for tasks that no render knows of. Their times are by our clock."""
    since = render.asked_at
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
            await note_stray(conn, one.task_id, render, Verdict.UNKNOWN, one.at)


async def note_stray(
    conn: Connection, task_id: str, render: Render, verdict: Verdict, seen_at: datetime | None = None
) -> None:
    """What is known of a task, seen from this order's key and path; a verdict is not taken back."""
    await conn.execute(
        """
        INSERT INTO strays AS s (task_id, key, feature, verdict, seen_at)
        VALUES ($1, $2, $3, $4, coalesce($5, now()))
        ON CONFLICT (task_id, key, feature) DO UPDATE SET verdict = excluded.verdict WHERE s.verdict = 'unknown'
        """,
        task_id,
        render.key,
        render.feature.path,
        verdict.value,
        seen_at,
    )


async def adopt(conn: Connection, render: Render, task_id: str) -> None:
    """The task is this order's: it is running, and looked at at once."""
    await conn.execute(
        """
        UPDATE renders SET state = 'running', task_id = $2, task_began_at = asked_at, lease = NULL, due_at = now()
        WHERE render_id = $1
        """,
        render.render_id,
        task_id,
    )


async def look_again(conn: Connection, render: Render, in_s: float) -> None:
    """Keep it in doubt; nothing was asked."""
    await conn.execute(
        """
        UPDATE renders SET lease = NULL, due_at = now() + make_interval(secs => $2), doubts = doubts + 1
        WHERE render_id = $1
        """,
        render.render_id,
        in_s,
    )


async def tried(conn: Connection, render: Render, *, is_searched: bool) -> None:
    """The vendor was asked; `is_searched`: the history was read back to when it was ordered, and there is no trace."""
    await conn.execute(
        """
        UPDATE renders SET tried_at = now(), searched_at = CASE WHEN $2 THEN now() ELSE searched_at END,
            in_vain = CASE WHEN $2 THEN 0 ELSE in_vain + 1 END
        WHERE render_id = $1
        """,
        render.render_id,
        is_searched,
    )


async def repeats_today(conn: Connection) -> int:
    """How many orders were repeated within a day although the first may have been carried out."""
    found: int = await conn.fetchval(
        "SELECT coalesce(sum(repeats), 0) FROM renders WHERE repeats > 0 AND created_at > now() - interval '1 day'"
    )
    return found


async def repeat(conn: Connection, render: Render) -> None:
    """Order it again: no trace of the first was found."""
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


async def wake_all(conn: Connection) -> bool:
    """A task was told of that nobody knows: whatever is in doubt is looked for now. Is there anything?"""
    status = await conn.execute(
        """
        UPDATE renders SET due_at = now()
        WHERE render_id = ANY(ARRAY(
            SELECT render_id FROM renders
            WHERE state IN ('submitting', 'doubtful', 'running') AND state = 'doubtful' AND lease IS NULL
                AND due_at > now() FOR UPDATE SKIP LOCKED
        ))
        """
    )
    return status != "UPDATE 0"


async def times_of(conn: Connection, task_ids: Collection[str]) -> dict[str, tuple[datetime, datetime]]:
    """Of tasks that renders know: when each was ordered, and when it is known to have ended, by our clock."""
    rows = await conn.fetch(
        """
        SELECT task_id, asked_at, coalesce(told_at, ended_at, now()) AS ended_at FROM renders
        WHERE task_id = ANY($1) AND asked_at IS NOT NULL
        """,
        list(task_ids),
    )
    return {row["task_id"]: (row["asked_at"], row["ended_at"]) for row in rows}


async def forget(conn: Connection, older_than_s: float, limit: int) -> int:
    """Forget tasks and orders that nobody asks about any more, at most so many of each; how many were there?"""
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
        found = max(found, int(status.rpartition(" ")[2]))
    return found
