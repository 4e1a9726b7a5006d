"""The waiting room's state: who waits, whose turn it is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from closet_messaging.unit import Connection

from perfect_adapter.domain.breaker import Circuit
from perfect_adapter.domain.room import Room, Share, Waiting, forget_absent

# The heads of each class and tenant, found by jumping through the index from one to the next: however many wait, only
# as many rows are read as may be chosen.
HEADS = """
    WITH RECURSIVE queues AS (
        (SELECT rank, tenant_id FROM renders WHERE state = 'waiting' ORDER BY rank, tenant_id LIMIT 1)
        UNION ALL
        SELECT following.* FROM queues CROSS JOIN LATERAL (
            SELECT rank, tenant_id FROM renders
            WHERE state = 'waiting' AND (rank, tenant_id) > (queues.rank, queues.tenant_id)
            ORDER BY rank, tenant_id LIMIT 1
        ) following
    )
    SELECT head.* FROM queues CROSS JOIN LATERAL (
        SELECT render_id, tenant_id, rank, units, extract(epoch FROM now() - created_at)::float8 AS age_s, feature
        FROM renders r
        WHERE state = 'waiting' AND r.rank = queues.rank AND r.tenant_id = queues.tenant_id AND due_at <= now()
            AND deadline > now() + make_interval(secs => $1) AND feature <> ALL($2)
            AND NOT EXISTS (SELECT FROM ended_jobs AS e WHERE e.job_id = r.job_id)
        ORDER BY due_at LIMIT $3
    ) head
"""


_WAITING = ("tenant_id", "rank", "units", "age_s", "feature")


@dataclass(frozen=True, slots=True)
class Closed:
    """Features of which nothing may go, and those of which one may."""

    blocked: Collection[str] = ()
    half_open: Collection[str] = ()


async def enter(conn: Connection) -> int:
    """The slots given out so far. The room stays locked until the transaction's end: nobody else chooses."""
    slots: int = await conn.fetchval("SELECT slots FROM room FOR UPDATE")
    return slots


async def anyone(conn: Connection) -> bool:
    """Does anyone wait?"""
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM renders WHERE state = 'waiting')")
    return found


@dataclass(frozen=True, slots=True)
class View:
    """What to look for: enough to choose `count` of what can be there in time; `capped`: and who has how many."""

    count: int
    time_needed_s: float
    closed: Closed
    capped: bool


async def look_around(conn: Connection, slots: int, view: View) -> Room:
    """Who is first of each class and tenant, and whose turn it is."""
    closed = view.closed
    rows = await conn.fetch(HEADS, view.time_needed_s, list(closed.blocked), view.count)
    waiting = _one_probe_each(
        [Waiting(row["render_id"], *(row[name] for name in _WAITING)) for row in rows], closed.half_open
    )
    shares = {row["tenant_id"]: Share(row["turn"], row["deficit"]) for row in await conn.fetch("SELECT * FROM shares")}
    return Room(waiting, shares, await _in_flight(conn) if view.capped else {}, slots)


def _one_probe_each(waiting: Sequence[Waiting], half_open: Collection[str]) -> list[Waiting]:
    """Of a feature that may or may not work again only one goes."""
    probes: set[str] = set()
    kept = []
    for one in waiting:
        if one.feature in half_open:
            if one.feature in probes:
                continue
            probes.add(one.feature)
        kept.append(one)
    return kept


async def leave(conn: Connection, room: Room) -> None:
    """Write down how the room stands after choosing."""
    kept = forget_absent(room.shares, (one.tenant for one in room.waiting))
    await conn.execute("UPDATE room SET slots = $1", room.slots)
    await conn.execute("DELETE FROM shares WHERE tenant_id <> ALL($1)", list(kept))
    await conn.executemany(
        """
        INSERT INTO shares (tenant_id, turn, deficit) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id) DO UPDATE SET turn = excluded.turn, deficit = excluded.deficit
        """,
        [(tenant, share.turn, share.deficit) for tenant, share in sorted(kept.items())],
    )


async def _in_flight(conn: Connection) -> Mapping[str, int]:
    rows = await conn.fetch(
        """
        SELECT tenant_id, count(*) FROM renders WHERE state IN ('submitting', 'doubtful', 'running') GROUP BY 1
        """
    )
    return {row["tenant_id"]: row["count"] for row in rows}


async def circuits(conn: Connection) -> list[Circuit]:
    """The circuits of features that have failed of late."""
    rows = await conn.fetch(
        """
        SELECT feature, failures, greatest(0, extract(epoch FROM open_until - now()))::float8 AS open_s FROM circuits
        WHERE failures > 0
        """
    )
    return [Circuit(row["feature"], row["failures"], row["open_s"]) for row in rows]


async def block(conn: Connection, feature: str, seconds: float) -> None:
    """Nothing of this feature for a while."""
    await conn.execute(
        "UPDATE circuits SET open_until = now() + make_interval(secs => $2) WHERE feature = $1", feature, seconds
    )


async def count_failure(conn: Connection, feature: str) -> int:
    """One more in a row; how many are there now?"""
    failures: int = await conn.fetchval(
        """
        INSERT INTO circuits AS c (feature, failures) VALUES ($1, 1)
        ON CONFLICT (feature) DO UPDATE SET failures = c.failures + 1 RETURNING failures
        """,
        feature,
    )
    return failures


async def close_circuits(conn: Connection, features: Sequence[str]) -> None:
    """They work."""
    await conn.execute(
        "UPDATE circuits SET failures = 0, open_until = 'epoch' WHERE feature = ANY($1) AND failures > 0",
        sorted(set(features)),
    )
