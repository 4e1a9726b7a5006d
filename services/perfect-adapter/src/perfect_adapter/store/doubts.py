"""Orders in doubt, and tasks of which no order is known."""

from collections.abc import Collection, Sequence
from datetime import datetime

from closet_messaging.unit import Connection

from perfect_adapter.domain.account import Charge
from perfect_adapter.domain.doubt import CLOCKS_DIFFER_S, Stray, Verdict
from perfect_adapter.store.render import COLUMNS, Render, render_of


async def begin(conn: Connection, render_ids: Collection[str], look_in_s: float) -> None:
    """Nobody knows whether these exist at the vendor."""
    await conn.execute(
        """
        UPDATE renders SET state = 'doubtful', lease = NULL, due_at = now() + make_interval(secs => $2), doubts = 0,
            searched_at = NULL
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
            SELECT task_id FROM webhooks
                WHERE settled_at IS NULL AND received_at > $3::timestamptz - make_interval(secs => $4)
            UNION SELECT task_id FROM strays
                WHERE key = $1 AND feature = $2 AND seen_at > $3::timestamptz - make_interval(secs => $4)
        )
        SELECT seen.task_id, coalesce(s.verdict, 'unknown') AS verdict
        FROM seen LEFT JOIN strays s ON s.task_id = seen.task_id AND s.key = $1 AND s.feature = $2
        WHERE NOT EXISTS (SELECT FROM renders r WHERE r.task_id = seen.task_id) ORDER BY seen.task_id
        """,
        render.key,
        render.feature.name,
        render.asked_at,
        CLOCKS_DIFFER_S,
    )
    return [Stray(row["task_id"], Verdict(row["verdict"])) for row in rows]


async def rivals(conn: Connection, render: Render, longest_s: float) -> int:
    """How many other orders of the same key and feature may have made a task that turns up now.

    `longest_s`: so long after it was ordered a task may still turn up.
    """
    found: int = await conn.fetchval(
        """
        SELECT (
            SELECT count(*) FROM renders
            WHERE key = $1 AND feature = $2 AND task_id IS NULL AND asked_at IS NOT NULL AND render_id <> $3
                AND (state IN ('doubtful', 'submitting')
                    OR code = 'vendor_ambiguous' AND asked_at > now() - make_interval(secs => $4))
        ) + (
            SELECT count(*) FROM repeated_orders
            WHERE key = $1 AND feature = $2 AND render_id <> $3 AND asked_at > now() - make_interval(secs => $4)
        )
        """,
        render.key,
        render.feature.name,
        render.render_id,
        longest_s,
    )
    return found


async def note_charges(conn: Connection, render: Render, charges: Sequence[Charge]) -> int:
    """Remember charges for tasks that no render knows of; how many are there?"""
    since = render.asked_at
    fresh = [one for one in charges if since and (since - one.at).total_seconds() < CLOCKS_DIFFER_S]
    known = {
        row["task_id"]
        for row in await conn.fetch(
            "SELECT task_id FROM renders WHERE task_id = ANY($1)", [one.task_id for one in fresh]
        )
    }
    unknown = [one for one in fresh if one.task_id not in known]
    for one in unknown:
        await note_stray(conn, one.task_id, render, Verdict.UNKNOWN, one.at)
    return len(unknown)


async def note_stray(
    conn: Connection, task_id: str, render: Render, verdict: Verdict, seen_at: datetime | None = None
) -> None:
    """What is known of a task, seen from this order's key and feature; a verdict is not taken back."""
    await conn.execute(
        """
        INSERT INTO strays AS s (task_id, key, feature, verdict, seen_at)
        VALUES ($1, $2, $3, $4, coalesce($5, now()))
        ON CONFLICT (task_id, key, feature) DO UPDATE SET verdict = excluded.verdict WHERE s.verdict = 'unknown'
        """,
        task_id,
        render.key,
        render.feature.name,
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
    await conn.execute(
        """
        UPDATE renders SET lease = NULL, due_at = now() + make_interval(secs => $2), doubts = doubts + 1
        WHERE render_id = $1
        """,
        render.render_id,
        in_s,
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
        WHERE state IN ('submitting', 'doubtful', 'running') AND state = 'doubtful' AND lease IS NULL AND due_at > now()
        """
    )
    return status != "UPDATE 0"


async def searched(conn: Connection, render: Render) -> None:
    """The history has been read back to when it was ordered."""
    await conn.execute("UPDATE renders SET searched_at = now() WHERE render_id = $1", render.render_id)


async def forget(conn: Connection, older_than_s: float) -> None:
    """Forget tasks and orders that nobody asks about any more."""
    await conn.execute("DELETE FROM repeated_orders WHERE asked_at < now() - make_interval(secs => $1)", older_than_s)
    await conn.execute("DELETE FROM strays WHERE seen_at < now() - make_interval(secs => $1)", older_than_s)
