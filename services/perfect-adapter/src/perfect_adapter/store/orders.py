"""Orders that are in hand or in doubt, for whoever decides about the next ones."""

from closet_messaging.transaction import Connection

from perfect_adapter.domain.holds import OpenOrder

_RECENT = 200


async def open_orders(conn: Connection) -> list[OpenOrder]:
    """All of them, of every key and replica."""
    rows = await conn.fetch(
        """
        SELECT key, feature, state = 'submitting' AS in_hand,
            extract(epoch FROM clock_timestamp() - asked_at)::float8 AS age_s,
            extract(epoch FROM searched_at - asked_at)::float8 AS searched_s, in_vain
        FROM renders WHERE state IN ('submitting', 'doubtful', 'running') AND state <> 'running'
        """
    )
    return [OpenOrder(**row) for row in rows]


async def typical_s(conn: Connection) -> dict[str, float]:
    """By feature: how long its tasks took of late, from order to end, the median in seconds."""
    rows = await conn.fetch(
        """
        SELECT feature, percentile_cont(0.5) WITHIN GROUP (
            ORDER BY extract(epoch FROM ended_at - task_began_at)::float8
        ) AS seconds
        FROM (SELECT feature, ended_at, task_began_at FROM renders WHERE state = 'done'
              ORDER BY ended_at DESC LIMIT $1) AS recent
        GROUP BY feature
        """,
        _RECENT,
    )
    return {row["feature"]: row["seconds"] for row in rows if row["seconds"] is not None}
