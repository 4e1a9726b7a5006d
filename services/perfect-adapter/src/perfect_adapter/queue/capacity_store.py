"""Measures of capacity: what waits, what runs and how fast; and what was published last."""

from collections.abc import Collection

from closet_contracts.generation import Priority
from closet_messaging.transaction import Connection

from perfect_adapter.queue.capacity import Capacity
from perfect_adapter.queue.fair_queue import PRIORITY_RANKS

_PRIORITIES = {rank: priority for priority, rank in PRIORITY_RANKS.items()}


async def count_waiting(conn: Connection) -> dict[Priority, int]:
    """Return by priority how many renders wait."""
    rows = await conn.fetch("SELECT rank, count(*) FROM renders WHERE state = 'waiting' GROUP BY rank")
    found = {_PRIORITIES[row["rank"]]: row["count"] for row in rows}
    return {priority: found.get(priority, 0) for priority in Priority}


async def waiting_features(conn: Connection) -> set[str]:
    """Return the features of which renders wait."""
    rows = await conn.fetch("SELECT DISTINCT feature FROM renders WHERE state = 'waiting'")
    return {row["feature"] for row in rows}


async def paused_s(conn: Connection, keys: Collection[str], egress: str) -> float:
    """Return the seconds for which no call is made, because the address or every one of these keys is paused."""
    seconds: float = await conn.fetchval(
        """
        SELECT greatest(0, extract(epoch FROM greatest(
            (SELECT max(paused_until) FROM parties WHERE party = $2 AND kind = 'egress'),
            (SELECT min(paused_until) FROM parties WHERE party = ANY($1) AND kind = 'key')
        ) - clock_timestamp()))::float8
        """,
        list(keys),
        egress,
    )
    return seconds or 0.0


async def count_created_last_minute(conn: Connection) -> int:
    """Return how many tasks were created in the last minute."""
    count: int = await conn.fetchval(
        """
        SELECT count(*) FROM vendor_calls
        WHERE key = ANY(ARRAY(SELECT party FROM parties WHERE kind = 'key')) AND at > now() - interval '1 minute'
            AND operation = 'create' AND outcome = 'Created'
        """
    )
    return count


async def lock_published(conn: Connection) -> tuple[Capacity | None, bool]:
    """Lock and return what was published last; and whether it was free: another replica may be publishing."""
    row = await conn.fetchrow("SELECT told FROM room FOR UPDATE SKIP LOCKED")
    if row is None:
        return None, False
    if row["told"] is None:
        return None, True
    known = row["told"]
    by_class = {Priority(name): count for name, count in known["waiting"].items()}
    return (
        Capacity(
            available=known["available"],
            per_minute=known["per_minute"],
            waiting=by_class,
            running=known["running"],
            typical_s=known["typical_s"],
            stopped_until=known.get("stopped_until", 0.0),
        ),
        True,
    )


async def save_published(conn: Connection, capacity: Capacity) -> None:
    """Save what is being published."""
    await conn.execute(
        "UPDATE room SET told = $1, told_at = now()",
        {
            "available": capacity.available,
            "per_minute": capacity.per_minute,
            "waiting": {priority.value: count for priority, count in capacity.waiting.items()},
            "running": capacity.running,
            "typical_s": capacity.typical_s,
            "stopped_until": capacity.stopped_until,
        },
    )


async def count_by_state(conn: Connection) -> dict[str, int]:
    """Return how many renders are waiting, at the vendor, and ambiguous."""
    rows = await conn.fetch(
        """
        SELECT 'waiting' AS state, count(*) FROM renders WHERE state = 'waiting'
        UNION ALL SELECT 'at_vendor', count(*) FROM renders WHERE state IN ('submitting', 'running')
            AND state IN ('submitting', 'doubtful', 'running')
        UNION ALL SELECT 'ambiguous', count(*) FROM renders WHERE state = 'doubtful'
            AND state IN ('submitting', 'doubtful', 'running')
        """
    )
    return {row["state"]: row["count"] for row in rows}


async def read_typical_s(conn: Connection) -> float | None:
    """Return the seconds that the last tasks took at the vendor, the median; None if there were none."""
    seconds: float | None = await conn.fetchval(
        """
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - task_began_at)::float8)
        FROM (SELECT ended_at, task_began_at FROM renders WHERE state = 'done' ORDER BY ended_at DESC LIMIT 50) recent
        """
    )
    return seconds
