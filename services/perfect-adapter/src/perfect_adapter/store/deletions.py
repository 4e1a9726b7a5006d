"""The vendor's copies that are to be deleted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from closet_messaging.transaction import Connection


@dataclass(frozen=True, slots=True)
class Deletion:
    """A task whose files are to go, in a worker's hands."""

    task_id: str
    key: str
    tries: int
    lease: UUID


async def add(conn: Connection, tasks: Collection[tuple[str, str]]) -> None:
    """(task, key) of each."""
    await conn.executemany("INSERT INTO deletions (task_id, key) VALUES ($1, $2) ON CONFLICT DO NOTHING", tasks)


async def unsettled(conn: Connection, limit: int) -> list[tuple[str, str, str]]:
    """Tasks that gave us nothing: (tenant, task, key) of each; they are settled now."""
    rows = await conn.fetch(
        """
        UPDATE renders SET copy_settled = true WHERE render_id = ANY(ARRAY(
            SELECT render_id FROM renders
            WHERE state IN ('failed', 'dropped') AND task_id IS NOT NULL AND NOT copy_settled
                AND ended_at > now() - interval '30 days'  -- the vendor keeps nothing longer
            ORDER BY render_id LIMIT $1 FOR UPDATE SKIP LOCKED
        )) RETURNING tenant_id, task_id, key
        """,
        limit,
    )
    return [(row["tenant_id"], row["task_id"], row["key"]) for row in rows]


async def due(conn: Connection, keys: Collection[str], limit: int) -> list[tuple[str, str]]:
    """Those that are next: (task, key); none is locked."""
    rows = await conn.fetch(
        """
        SELECT task_id, key FROM deletions WHERE due_at <= now() AND key = ANY($1)
        ORDER BY due_at LIMIT $2
        """,
        list(keys),
        limit,
    )
    return [(row["task_id"], row["key"]) for row in rows]


async def take(conn: Connection, task_ids: Sequence[str], lease_s: float) -> list[Deletion]:
    """Claim those of these that are still due."""
    rows = await conn.fetch(
        """
        UPDATE deletions SET lease = $2, due_at = now() + make_interval(secs => $3), tries = tries + 1
        WHERE task_id = ANY(ARRAY(
            SELECT task_id FROM deletions WHERE task_id = ANY($1) AND due_at <= now() ORDER BY task_id
            FOR UPDATE SKIP LOCKED
        )) RETURNING task_id, key, tries, lease
        """,
        task_ids,
        uuid4(),
        lease_s,
    )
    return [Deletion(**row) for row in rows]


async def done(conn: Connection, task_id: str) -> None:
    """It is gone, or cannot be deleted."""
    await conn.execute("DELETE FROM deletions WHERE task_id = $1", task_id)


async def later(conn: Connection, task_id: str, in_s: float) -> None:
    await conn.execute(
        "UPDATE deletions SET lease = NULL, due_at = now() + make_interval(secs => $2) WHERE task_id = $1",
        task_id,
        in_s,
    )
