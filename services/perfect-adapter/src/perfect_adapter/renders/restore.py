"""Restoring renders from the service's own events, where the database has lost them. Ended renders stay as they are."""

from datetime import datetime

from closet_messaging.transaction import Connection

from perfect_adapter.renders.render import COLUMNS, Render, render_of
from perfect_adapter.renders.states import RenderState


async def restore_started(
    conn: Connection, render_id: str, task_id: str, started_at: datetime, key: str | None
) -> bool:
    """Restore that its task exists: it is polled as soon as the service runs. Return whether there is such a render.

    Without the key's name it is that of the order, or the only key there is.
    """
    row = await conn.fetchrow(
        """
        UPDATE renders SET task_id = coalesce(task_id, $2), task_began_at = coalesce(task_began_at, $3),
            asked_at = coalesce(asked_at, $3), lease = NULL, due_at = now(),
            key = coalesce($4, key, (SELECT min(party) FROM parties WHERE kind = 'key' HAVING count(*) = 1)),
            state = CASE WHEN state IN ('waiting', 'submitting', 'doubtful') THEN 'running' ELSE state END
        WHERE render_id = $1 RETURNING render_id
        """,
        render_id,
        task_id,
        started_at,
        key,
    )
    return row is not None


async def restore_ended(  # noqa: PLR0913 the columns
    conn: Connection,
    render_id: str,
    state: RenderState,
    *,
    ended_at: datetime,
    code: str | None = None,
    vendor_code: str | None = None,
) -> None:
    """Restore how it ended."""
    await conn.execute(
        """
        UPDATE renders SET state = $2, ended_at = $3, code = $4, vendor_code = $5, lease = NULL
        WHERE render_id = $1 AND ended_at IS NULL
        """,
        render_id,
        state,
        ended_at,
        code,
        vendor_code,
    )


async def lock_waiting(conn: Connection) -> list[Render]:
    """Lock and return the renders without an event: they may have been ordered after the backup."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM renders WHERE state = 'waiting' ORDER BY render_id FOR UPDATE"  # noqa: S608 a literal
    )
    return [render_of(row) for row in rows]
