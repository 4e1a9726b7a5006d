"""Deletions of the vendor's copies in the database."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from closet_messaging.transaction import Connection


@dataclass(frozen=True, slots=True)
class Deletion:
    """A claimed deletion of a task's files."""

    task_id: str
    key: str
    tries: int
    lease: UUID


async def add(conn: Connection, tasks: Collection[tuple[str, str]]) -> None:
    """Plan the deletion of these, given as (task, key)."""
    await conn.executemany("INSERT INTO deletions (task_id, key) VALUES ($1, $2) ON CONFLICT DO NOTHING", tasks)


async def settle_ended(conn: Connection, limit: int) -> list[tuple[str, str, str]]:
    """Mark tasks without a result as settled, and return (tenant, task, key) of each."""
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


async def find_due(conn: Connection, keys: Collection[str], limit: int) -> list[tuple[str, str]]:
    """Return those that are due as (task, key); none is locked."""
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


async def remove(conn: Connection, task_id: str) -> None:
    """Remove one that is done, or that cannot be done."""
    await conn.execute("DELETE FROM deletions WHERE task_id = $1", task_id)


async def reschedule(conn: Connection, task_id: str, in_s: float) -> None:
    """Release one, to be tried again in so many seconds."""
    await conn.execute(
        "UPDATE deletions SET lease = NULL, due_at = now() + make_interval(secs => $2) WHERE task_id = $1",
        task_id,
        in_s,
    )
