"""Open orders, in hand or ambiguous, and how long tasks take: the basis for scheduling the next ones."""

from closet_messaging.unit import Connection

from perfect_adapter.queue.assignment import OpenOrder

_RECENT = 200


async def read(conn: Connection) -> list[OpenOrder]:
    """Return all of them, of every key and replica."""
    rows = await conn.fetch(
        """
        SELECT key, feature, state = 'submitting' AS is_in_hand,
            extract(epoch FROM clock_timestamp() - asked_at)::float8 AS age_s,
            extract(epoch FROM searched_at - asked_at)::float8 AS searched_s,
            in_vain AS failed_searches
        FROM renders WHERE state IN ('submitting', 'doubtful', 'running') AND state <> 'running'
        """
    )
    return [OpenOrder(**row) for row in rows]


async def typical_s(conn: Connection) -> dict[str, float]:
    """Return by feature how long its last tasks took from order to end, the median in seconds."""
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
