"""What the vendor told us, until it is matched to its renders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from closet_messaging.transaction import Connection


@dataclass(frozen=True, slots=True)
class Webhook:
    """A verified message of the vendor's."""

    webhook_id: str
    task_id: str
    task_status: str
    received_at: datetime


async def keep(conn: Connection, webhooks: Sequence[Webhook]) -> None:
    """Store those that are new."""
    await conn.executemany(
        """
        INSERT INTO webhooks (webhook_id, task_id, task_status, received_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING
        """,
        sorted((one.webhook_id, one.task_id, one.task_status, one.received_at) for one in webhooks),
    )


async def match(conn: Connection, limit: int = 500) -> int:
    """Have the renders looked at whose tasks have ended. What names no task of ours yet stays open; how many do?"""
    told = await conn.fetch(
        """
        SELECT webhook_id, task_id, received_at FROM webhooks WHERE settled_at IS NULL
        ORDER BY received_at DESC LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        limit,
    )
    if not told:
        return 0
    known = await conn.fetch(
        "SELECT render_id, task_id FROM renders WHERE task_id = ANY($1)", [row["task_id"] for row in told]
    )
    renders = {row["task_id"]: row["render_id"] for row in known}
    ours = [row for row in told if row["task_id"] in renders]
    await conn.executemany(
        """
        UPDATE renders SET told_at = least(told_at, $2), due_at = CASE WHEN lease IS NULL THEN now() ELSE due_at END
        WHERE render_id = $1 AND state = 'running'
        """,
        sorted((renders[row["task_id"]], row["received_at"]) for row in ours),
    )
    await conn.execute(
        "UPDATE webhooks SET settled_at = now() WHERE webhook_id = ANY($1)", [row["webhook_id"] for row in ours]
    )
    return len(told) - len(ours)


async def begin_search(conn: Connection) -> bool:
    """Are there open ones for which nothing has been looked for yet? Each of them wakes a search once."""
    rows = await conn.fetch(
        """
        UPDATE webhooks SET searched_at = now()
        WHERE webhook_id = ANY(ARRAY(
            SELECT webhook_id FROM webhooks WHERE settled_at IS NULL AND searched_at IS NULL FOR UPDATE SKIP LOCKED
        )) RETURNING webhook_id
        """
    )
    return bool(rows)


async def give_up(conn: Connection, after_s: float) -> None:
    """Settle what after this time still names no task of ours."""
    await conn.execute(
        """
        UPDATE webhooks SET settled_at = now()
        WHERE webhook_id = ANY(ARRAY(
            SELECT webhook_id FROM webhooks
            WHERE settled_at IS NULL AND received_at < now() - make_interval(secs => $1) FOR UPDATE SKIP LOCKED
        ))
        """,
        after_s,
    )


async def forget(conn: Connection, older_than_s: float, limit: int) -> int:
    """Forget old ones, at most so many; how many were there?"""
    status = await conn.execute(
        """
        DELETE FROM webhooks WHERE webhook_id = ANY(ARRAY(
            SELECT webhook_id FROM webhooks WHERE received_at < now() - make_interval(secs => $1)
            LIMIT $2 FOR UPDATE SKIP LOCKED
        ))
        """,
        older_than_s,
        limit,
    )
    return int(status.rpartition(" ")[2])
