"""What the service had told of a render, put back where the database has lost it. Nothing that has ended is changed."""

from datetime import datetime

from closet_messaging.transaction import Connection

from perfect_adapter.store.render import COLUMNS, Render, render_of


async def begin(conn: Connection, render_id: str, task_id: str, began_at: datetime, key: str | None) -> bool:
    """Its task exists, and is looked at as soon as the service runs; False if there is no such render.

    Without the key's name it is that of the order; or the only key there is.
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
        began_at,
        key,
    )
    return row is not None


async def end(  # noqa: PLR0913, PLR0917 the columns
    conn: Connection, render_id: str, state: str, at: datetime, code: str | None = None, vendor_code: str | None = None
) -> None:
    """It has ended so."""
    await conn.execute(
        """
        UPDATE renders SET state = $2, ended_at = $3, code = $4, vendor_code = $5, lease = NULL
        WHERE render_id = $1 AND ended_at IS NULL
        """,
        render_id,
        state,
        at,
        code,
        vendor_code,
    )


async def waiting(conn: Connection) -> list[Render]:
    """Those of which nothing was told: whether they were ordered after the backup, nobody knows."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM renders WHERE state = 'waiting' ORDER BY render_id FOR UPDATE"  # noqa: S608 a literal
    )
    return [render_of(row) for row in rows]
