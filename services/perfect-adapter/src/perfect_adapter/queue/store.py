"""The fair queue in the database: what waits, and whose turn it is."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg
from closet_messaging.transaction import Connection

from perfect_adapter.queue.fair_queue import MOST_URGENT, NEWCOMER, PRIORITY_RANKS, FairQueue, QueuedRender, TenantQueue
from perfect_adapter.vendor.features import FEATURES

ARRIVALS_AT_ONCE = 1000
QUEUES_AT_LEAST = 16
"""Queues of each class and feature that are read at least, however few renders are wanted: some may be held up."""
HELD_UP_S = 0.05
"""Seconds until to read the queues behind those that are held up."""

_ADMIT_ARRIVALS = """
    WITH come AS (
        DELETE FROM arrivals WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM arrivals WHERE due_at <= now() ORDER BY due_at LIMIT $2
        )) RETURNING rank, feature, tenant_id
    ), made AS (
        INSERT INTO waiting_queues (rank, feature, tenant_id, turn)
        SELECT DISTINCT rank, feature, tenant_id, greatest($1::bigint, (
            SELECT max(turn) FROM waiting_queues AS q WHERE q.tenant_id = come.tenant_id
        )) FROM come
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) FROM come
"""

_MAY_GO = """
    state = 'waiting' AND due_at <= now() AND units <= coalesce($4::bigint, units)
    AND deadline > now() + make_interval(secs => coalesce(($6::jsonb ->> r.feature)::float8, 0) + $5)
    AND NOT EXISTS (SELECT FROM ended_jobs AS e WHERE e.job_id = r.job_id)
"""
_TASK = "render_id, units, extract(epoch FROM now() - created_at)::float8 AS age_s"

# The first queues of each class and feature, and the first tasks of each: more of them the fewer queues there are.
HEADS = f"""
    WITH queues AS (
        SELECT q.*, count(*) OVER (PARTITION BY q.rank, q.feature) AS beside
        FROM unnest($1::smallint[], $2::text[]) AS ring (rank, feature) CROSS JOIN LATERAL (
            SELECT * FROM waiting_queues AS q WHERE q.rank = ring.rank AND q.feature = ring.feature
            ORDER BY turn LIMIT $7
        ) AS q
    )
    SELECT queues.*, task.*, ceil(2.0 * $3 / beside)::integer AS most
    FROM queues LEFT JOIN LATERAL (
        SELECT {_TASK} FROM renders AS r
        WHERE r.rank = queues.rank AND r.feature = queues.feature AND r.tenant_id = queues.tenant_id AND {_MAY_GO}
        ORDER BY due_at LIMIT ceil(2.0 * $3 / beside)::integer
    ) AS task ON true
    ORDER BY queues.turn, queues.tenant_id
"""  # noqa: S608 literals
# The longest waiting renders of each feature: those far from a turn are found here.
LONGEST = f"""
    SELECT task.*, coalesce(q.turn, 0) AS turn
    FROM (SELECT feature, array_agg(rank) AS ranks FROM unnest($1::smallint[], $2::text[]) AS ring (rank, feature)
          GROUP BY feature) AS ring
    CROSS JOIN LATERAL (
        SELECT rank, feature, tenant_id, {_TASK} FROM (
            SELECT * FROM renders AS r
            WHERE r.feature = ring.feature AND state = 'waiting' AND created_at <= now() - make_interval(secs => $7)
            ORDER BY created_at LIMIT 4 * $3
        ) AS r
        WHERE r.rank = ANY(ring.ranks) AND {_MAY_GO} ORDER BY created_at LIMIT $3
    ) AS task
    LEFT JOIN waiting_queues AS q
        ON q.rank = task.rank AND q.feature = task.feature AND q.tenant_id = task.tenant_id
"""  # noqa: S608 literals


@dataclass(frozen=True, slots=True)
class BlockedFeatures:
    """Features of which nothing may be submitted; `half_open`: only one; `urgent_only`: only the most urgent class."""

    blocked: Collection[str] = ()
    half_open: Collection[str] = ()
    urgent_only: Collection[str] = ()

    def rings(self) -> list[tuple[int, str]]:
        """Return each class and feature of which something may be submitted."""
        return [
            (rank, feature)
            for rank in PRIORITY_RANKS.values()
            for feature in FEATURES
            if feature not in self.blocked and (rank == MOST_URGENT or feature not in self.urgent_only)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueQuery:
    """What to load: enough to choose `count` renders that can end in time.

    `is_capped`: also count each tenant's tasks at the vendor. `typical_s`: how long tasks of a feature take, beside
    `time_needed_s`. `max_units`: what a task may cost. `aged_s`: the wait after which a render has aged.
    """

    count: int
    time_needed_s: float
    blocked: BlockedFeatures
    is_capped: bool
    typical_s: Mapping[str, float] = field(default_factory=dict)
    max_units: int | None = None
    aged_s: float = 300.0


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """The scheduler's counters; `has_more`: not all arrivals were added to queues yet."""

    slots: int
    time: int
    has_more: bool


async def has_work(conn: Connection) -> bool:
    """Return whether any render waits."""
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM renders WHERE state = 'waiting')")
    return found


async def lock(conn: Connection) -> SchedulerState:
    """Lock the queue until the transaction's end, and add a bounded number of arrivals to it.

    No other replica chooses meanwhile.
    """
    slots, time = await conn.fetchrow("SELECT slots, virtual_time FROM room FOR UPDATE") or (0, 0)
    added = await conn.fetchval(_ADMIT_ARRIVALS, time + NEWCOMER, ARRIVALS_AT_ONCE)
    return SchedulerState(slots, time, added >= ARRIVALS_AT_ONCE)


async def load(conn: Connection, state: SchedulerState, query: QueueQuery) -> tuple[FairQueue, list[TenantQueue]]:
    """Return the heads of each class and feature, and the idle queues: those in which nothing may be submitted."""
    ranks, features = zip(*query.blocked.rings(), strict=True) if query.blocked.rings() else ((), ())
    wanted = (ranks, features, query.count, query.max_units, query.time_needed_s, dict(query.typical_s))
    width = max(query.count, QUEUES_AT_LEAST)
    rows = await conn.fetch(HEADS, *wanted, width)
    aged = await conn.fetch(LONGEST, *wanted, query.aged_s)
    tasks = {row["render_id"]: _waiting(row) for row in (*rows, *aged) if row["render_id"] is not None}
    read = Counter(_queue(row) for row in rows if row["render_id"] is not None)
    queue = FairQueue(
        waiting=_one_probe_each(list(tasks.values()), query.blocked.half_open),
        turns={row["tenant_id"]: row["turn"] for row in (*aged, *reversed(rows))},
        in_flight=await _in_flight(conn) if query.is_capped else {},
        slots=state.slots,
        time=state.time,
        unread={(row["rank"], row["feature"]): row["turn"] for row in rows if row["beside"] >= width},
        unread_renders={_queue(row) for row in rows if read[_queue(row)] >= row["most"]},
    )
    return queue, [_queue(row) for row in rows if row["render_id"] is None]


def _queue(row: asyncpg.Record) -> TenantQueue:
    return TenantQueue(row["rank"], row["feature"], row["tenant_id"])


def _waiting(row: asyncpg.Record) -> QueuedRender:
    return QueuedRender(
        render_id=row["render_id"],
        tenant=row["tenant_id"],
        rank=row["rank"],
        units=row["units"],
        age_s=row["age_s"],
        feature=row["feature"],
    )


def _one_probe_each(waiting: Sequence[QueuedRender], half_open: Collection[str]) -> list[QueuedRender]:
    """Keep one render of each half-open feature."""
    probes: set[str] = set()
    found = []
    for one in waiting:
        if one.feature in half_open:
            if one.feature in probes:
                continue
            probes.add(one.feature)
        found.append(one)
    return found


async def save(
    conn: Connection, queue: FairQueue, served: Collection[str], idle: Sequence[TenantQueue]
) -> float | None:
    """Save the queue after choosing: the turns of the tenants that were `served`, and the idle queues.

    A queue in which nothing is due is removed, unless a tenant that comes back would have an earlier turn for it. One
    in which something is held up by anything but time lets those pass that were not read.

    Returns:
        The seconds until to read those behind such queues; None if there are none.
    """
    await conn.execute("UPDATE room SET slots = $1, virtual_time = $2", queue.slots, queue.time)
    if served:
        await conn.execute(
            """
            UPDATE waiting_queues AS q SET turn = served.turn
            FROM unnest($1::text[], $2::bigint[]) AS served (tenant_id, turn)
            WHERE q.tenant_id = served.tenant_id
            """,
            list(served),
            [queue.turns[tenant] for tenant in served],
        )
    if not idle:
        return None
    columns = [one.rank for one in idle], [one.feature for one in idle], [one.tenant for one in idle]
    gone = await conn.execute(_CLEAR, *columns, queue.time + NEWCOMER)
    if not any((one.rank, one.feature) in queue.unread for one in idle):
        return None
    await conn.execute(_LET_PASS, *columns)
    return HELD_UP_S if gone == "DELETE 0" else 0.0


_IDLE = "q.rank = idle.rank AND q.feature = idle.feature AND q.tenant_id = idle.tenant_id"
_CLEAR = f"""
    DELETE FROM waiting_queues AS q
    USING unnest($1::smallint[], $2::text[], $3::text[]) AS idle (rank, feature, tenant_id)
    WHERE {_IDLE} AND q.turn <= $4 AND NOT EXISTS (
        SELECT FROM renders AS r WHERE r.rank = q.rank AND r.feature = q.feature AND r.tenant_id = q.tenant_id
            AND state = 'waiting' AND due_at <= clock_timestamp() -- the adding transaction may be younger than ours
    )
"""  # noqa: S608 literals
_LET_PASS = f"""
    UPDATE waiting_queues AS q SET turn = 1 + (
        SELECT max(turn) FROM waiting_queues AS last WHERE last.rank = q.rank AND last.feature = q.feature
    )
    FROM unnest($1::smallint[], $2::text[], $3::text[]) AS idle (rank, feature, tenant_id)
    WHERE {_IDLE}
"""  # noqa: S608 literals


async def _in_flight(conn: Connection) -> Mapping[str, int]:
    rows = await conn.fetch(
        """
        SELECT tenant_id, count(*) FROM renders WHERE state IN ('submitting', 'doubtful', 'running') GROUP BY 1
        """
    )
    return {row["tenant_id"]: row["count"] for row in rows}


async def add_missing_queues(conn: Connection) -> None:
    """Add the waiting renders that are in no queue to the arrivals: there should be none, and none for long."""
    await conn.execute(
        """
        INSERT INTO arrivals
        SELECT DISTINCT rank, feature, tenant_id, now() FROM renders AS r
        WHERE state = 'waiting' AND due_at < now() - interval '1 minute' AND NOT EXISTS (
            SELECT FROM waiting_queues AS q
            WHERE q.rank = r.rank AND q.feature = r.feature AND q.tenant_id = r.tenant_id
        )
        """
    )
