"""How much waits, how much runs, how fast it goes; and what was told of it last."""

from collections.abc import Collection

from closet_contracts.generation import Priority
from closet_messaging.transaction import Connection

from perfect_adapter.domain.capacity import Capacity
from perfect_adapter.domain.renders import PRIORITY_RANKS

_PRIORITIES = {rank: priority for priority, rank in PRIORITY_RANKS.items()}


async def waiting(conn: Connection) -> dict[Priority, int]:
    rows = await conn.fetch("SELECT rank, count(*) FROM renders WHERE state = 'waiting' GROUP BY rank")
    found = {_PRIORITIES[row["rank"]]: row["count"] for row in rows}
    return {priority: found.get(priority, 0) for priority in Priority}


async def waiting_features(conn: Connection) -> set[str]:
    """What kinds of tasks wait."""
    rows = await conn.fetch("SELECT DISTINCT feature FROM renders WHERE state = 'waiting'")
    return {row["feature"] for row in rows}


async def paused_s(conn: Connection, keys: Collection[str], egress: str) -> float:
    """For how many seconds no call is made, because the address pauses or every one of these keys does."""
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
        Capacity(
            known["available"],
            known["per_minute"],
            by_class,
            known["running"],
            known["typical_s"],
            known.get("stopped_until", 0.0),
        ),
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
            "stopped_until": capacity.stopped_until,
        },
    )
