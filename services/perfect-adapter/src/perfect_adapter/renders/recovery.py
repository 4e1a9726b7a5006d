"""Renders that cannot continue: their worker died, their deadline passed, or their job ended."""

from collections.abc import Mapping, Sequence

from closet_messaging.unit import Connection

from perfect_adapter.renders.render import COLUMNS, Render, render_of


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
    return int(status.rpartition(" ")[2])
