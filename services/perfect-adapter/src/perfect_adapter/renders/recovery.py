"""Renders that cannot simply continue: orders without an answer, passed deadlines, ended jobs."""

from collections.abc import Collection, Mapping, Sequence

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

from perfect_adapter.renders.render import COLUMNS, Render, render_of
from perfect_adapter.renders.states import RenderState
from perfect_adapter.renders.store import StartedTask


async def find_abandoned(conn: Connection, grace_s: float, limit: int) -> list[Render]:
    """Lock and return submissions whose worker is silent: their tasks may or may not exist."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS} FROM renders
        WHERE state IN ('submitting', 'doubtful', 'running') AND state = 'submitting'
            AND due_at < now() - make_interval(secs => $1)
        ORDER BY render_id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 a literal
        grace_s,
        limit,
    )
    return [render_of(row) for row in rows]


async def find_overdue(
    conn: Connection, time_needed_s: float, typical_s: Mapping[str, float], limit: int
) -> list[Render]:
    """Lock and return waiting renders that are too late; `typical_s`: how long tasks take, by feature."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS} FROM renders WHERE state = 'waiting' AND deadline <= now() + make_interval(secs => $4)
            AND deadline <= now() + make_interval(secs => $1 + coalesce(($3::jsonb ->> feature)::float8, 0))
        ORDER BY render_id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 a literal
        time_needed_s,
        limit,
        dict(typical_s),
        time_needed_s + max(typical_s.values(), default=0.0),  # what the index can find
    )
    return [render_of(row) for row in rows]


# One for each partial index: a condition that spans both would have every render there ever was read, every time.
DROPS_OF_ENDED_JOBS: Sequence[str] = tuple(
    f"""
    UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now()
    WHERE render_id = ANY(ARRAY(
        SELECT render_id FROM renders JOIN ended_jobs USING (job_id)
        WHERE {condition} FOR UPDATE OF renders SKIP LOCKED
    ))
    """  # noqa: S608 literals
    for condition in ("state = 'waiting'", "state IN ('submitting', 'doubtful', 'running') AND state = 'running'")
)


async def drop_of_ended_jobs(conn: Connection) -> None:
    """Drop renders dispatched after their job's end, or being submitted when it came."""
    for statement in DROPS_OF_ENDED_JOBS:
        await conn.execute(statement)


async def delete_old_ended_jobs(conn: Connection, older_than_s: float, limit: int) -> int:
    """Delete up to `limit` ends of jobs of which no event can come any more, and return how many."""
    status = await conn.execute(
        """
        DELETE FROM ended_jobs WHERE job_id = ANY(ARRAY(
            SELECT job_id FROM ended_jobs WHERE ended_at < now() - make_interval(secs => $1)
            LIMIT $2 FOR UPDATE SKIP LOCKED
        ))
        """,
        older_than_s,
        limit,
    )
    return affected(status)


async def mark_ambiguous(conn: Connection, render_ids: Collection[str], search_in_s: float) -> None:
    """Mark these orders as ambiguous: their tasks may or may not exist. The caller has locked them."""
    await conn.execute(
        """
        UPDATE renders SET state = 'doubtful', lease = NULL, due_at = now() + make_interval(secs => $2), doubts = 0,
            searched_at = NULL, in_vain = 0, tried_at = NULL
        WHERE render_id = ANY($1)
        """,
        list(render_ids),
        search_in_s,
    )


async def search_ambiguous_now(conn: Connection) -> bool:
    """Make all ambiguous orders due to be searched for, and return whether there were any."""
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


async def note_late_task(conn: Connection, started: Sequence[StartedTask]) -> set[str]:
    """Store tasks of answers that came after their order had become ambiguous; it resumes if it still is.

    Returns:
        The ids of those that resume. Of one that has ended only the task is stored.
    """
    resumed = set()
    for one in started:
        row = await conn.fetchrow(
            """
            UPDATE renders SET task_id = $2, task_began_at = $3,
                state = CASE WHEN state = 'doubtful' THEN 'running' ELSE state END,
                due_at = CASE WHEN state = 'doubtful' THEN now() ELSE due_at END,
                lease = CASE WHEN state = 'doubtful' THEN NULL ELSE lease END
            WHERE render_id = $1 AND task_id IS NULL AND state IN ('doubtful', 'failed', 'dropped') RETURNING state
            """,
            one.render_id,
            one.task_id,
            one.started_at,
        )
        if row and row["state"] == RenderState.RUNNING:
            resumed.add(one.render_id)
    return resumed
