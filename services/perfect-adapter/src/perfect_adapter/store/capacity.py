"""How much waits, how much runs, how fast it goes; and what was told of it last."""

from closet_contracts.generation import Priority
from closet_messaging.unit import Connection

from perfect_adapter.domain.capacity import Capacity
from perfect_adapter.domain.renders import PRIORITY_RANKS

_PRIORITIES = {rank: priority for priority, rank in PRIORITY_RANKS.items()}


async def waiting(conn: Connection) -> dict[Priority, int]:
    rows = await conn.fetch("SELECT rank, count(*) FROM renders WHERE state = 'waiting' GROUP BY rank")
    found = {_PRIORITIES[row["rank"]]: row["count"] for row in rows}
    return {priority: found.get(priority, 0) for priority in Priority}


async def created_in_a_minute(conn: Connection) -> int:
    """How many tasks were ordered in the last minute."""
    count: int = await conn.fetchval(
        """
        SELECT count(*) FROM vendor_calls
        WHERE key = ANY(ARRAY(SELECT party FROM parties WHERE kind = 'key')) AND at > now() - interval '1 minute'
            AND operation = 'create' AND outcome = 'Created'
        """
    )
    return count


async def told(conn: Connection) -> tuple[Capacity | None, bool]:
    """What was told last, locked, or not at all if another replica is at it; and whether it is ours to tell now."""
    row = await conn.fetchrow("SELECT told FROM room FOR UPDATE SKIP LOCKED")
    if row is None:
        return None, False
    if row["told"] is None:
        return None, True
    known = row["told"]
    by_class = {Priority(name): count for name, count in known["waiting"].items()}
    return (
        Capacity(known["available"], known["per_minute"], by_class, known["running"], known["typical_s"]),
        True,
    )


async def remember(conn: Connection, capacity: Capacity) -> None:
    await conn.execute(
        "UPDATE room SET told = $1, told_at = now()",
        {
            "available": capacity.available,
            "per_minute": capacity.per_minute,
            "waiting": {priority.value: count for priority, count in capacity.waiting.items()},
            "running": capacity.running,
            "typical_s": capacity.typical_s,
        },
    )
