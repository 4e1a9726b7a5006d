"""Intake: renders queued by a dispatch, and dropped when their job ends."""

from datetime import datetime
from typing import Any, NamedTuple

from closet_messaging.unit import Connection

from perfect_adapter.renders.render import COLUMNS, Render, render_of


class NewRender(NamedTuple):
    """The arguments of `INSERT`, in order."""

    render_id: str
    job_id: str
    item: int
    attempt: int
    tenant_id: str
    work: dict[str, Any]
    inputs: dict[str, Any]
    feature: str
    units: int
    rank: int
    deadline: datetime
    cause_id: str
    traceparent: str | None


INSERT = """
    INSERT INTO renders (
        render_id, job_id, item, attempt, tenant_id, work, inputs, feature, units, rank, deadline, cause_id, traceparent
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING
"""
END_JOB = "INSERT INTO ended_jobs (job_id) VALUES ($1) ON CONFLICT DO NOTHING"
# What a lane has locked is dropped by the sweep: a handler does not wait for it.
DROP = """
    UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now()
    WHERE render_id = ANY(ARRAY(
        SELECT render_id FROM renders WHERE job_id = $1 AND state IN ('waiting', 'running') FOR UPDATE SKIP LOCKED
    ))
"""


async def drop_waiting(conn: Connection, job_id: str) -> list[Render]:
    """Drop and return the renders of a job that were not ordered."""
    rows = await conn.fetch(
        f"""
        UPDATE renders SET state = 'dropped', lease = NULL, ended_at = now()
        WHERE job_id = $1 AND state = 'waiting' RETURNING {COLUMNS}
        """,  # noqa: S608 a literal
        job_id,
    )
    return [render_of(row) for row in rows]
