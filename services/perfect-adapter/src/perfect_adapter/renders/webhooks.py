"""The vendor's webhooks, stored until they are matched to their renders."""

from collections.abc import Sequence

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

from perfect_adapter.vendor.signatures import VendorWebhook


async def add(conn: Connection, webhooks: Sequence[VendorWebhook]) -> set[str]:
    """Store those that are new; return their ids."""
    rows = sorted((one.webhook_id, one.task_id, one.task_status, one.received_at) for one in webhooks)
    added = await conn.fetch(
        """
        INSERT INTO webhooks (webhook_id, task_id, task_status, received_at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
        ON CONFLICT DO NOTHING
        RETURNING webhook_id
        """,
        *map(list, zip(*rows, strict=True)),
    )
    return {row["webhook_id"] for row in added}


async def match(conn: Connection, limit: int = 500) -> int:
    """Make the renders due to be polled whose tasks have ended, and return how many webhooks name no known task yet."""
    unsettled = await conn.fetch(
        """
        SELECT webhook_id, task_id, received_at FROM webhooks WHERE settled_at IS NULL
        ORDER BY received_at DESC LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        limit,
    )
    if not unsettled:
        return 0
    known = await conn.fetch(
        "SELECT render_id, task_id FROM renders WHERE task_id = ANY($1)", [row["task_id"] for row in unsettled]
    )
    renders = {row["task_id"]: row["render_id"] for row in known}
    ours = [row for row in unsettled if row["task_id"] in renders]
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
    return len(unsettled) - len(ours)


async def mark_searched(conn: Connection) -> bool:
    """Mark unmatched webhooks as searched for, and return whether there were new ones: each starts one search."""
    rows = await conn.fetch(
        """
        UPDATE webhooks SET searched_at = now()
        WHERE webhook_id = ANY(ARRAY(
            SELECT webhook_id FROM webhooks WHERE settled_at IS NULL AND searched_at IS NULL FOR UPDATE SKIP LOCKED
        )) RETURNING webhook_id
        """
    )
    return bool(rows)


async def settle_unmatched(conn: Connection, after_s: float) -> None:
    """Settle those that after this time still name no known task."""
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


async def delete_old(conn: Connection, older_than_s: float, limit: int) -> int:
    """Delete up to `limit` old ones, and return how many."""
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
    return affected(status)
