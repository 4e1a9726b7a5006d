"""The vendor's copies that are to be deleted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from closet_messaging.unit import Connection


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


async def next_due(conn: Connection, keys: Collection[str], limit: int) -> list[tuple[str, str]]:
    """Lock those that are next: (task, key)."""
    rows = await conn.fetch(
        """
        SELECT task_id, key FROM deletions WHERE due_at <= now() AND key = ANY($1)
        ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        list(keys),
        limit,
    )
    return [(row["task_id"], row["key"]) for row in rows]


async def take(conn: Connection, task_ids: Sequence[str], lease_s: float) -> list[Deletion]:
    rows = await conn.fetch(
        """
        UPDATE deletions SET lease = $2, due_at = now() + make_interval(secs => $3), tries = tries + 1
        WHERE task_id = ANY($1) RETURNING task_id, key, tries, lease
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
