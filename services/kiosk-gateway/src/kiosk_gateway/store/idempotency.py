"""The answers that repeated requests get again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from closet_messaging.transaction import Connection

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """A client's name for one request, and a digest of what it asked."""

    tenant: str
    user: str
    key: str
    fingerprint: bytes

    @property
    def name(self) -> tuple[str, str, str]:
        """What identifies it: two requests of one name and different fingerprints are a client's mistake."""
        return self.tenant, self.user, self.key


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier request of the same name asked and was answered."""

    fingerprint: bytes
    answer: Answer


def _names(keys: Collection[Key]) -> tuple[list[str], list[str], list[str]]:
    return [key.tenant for key in keys], [key.user for key in keys], [key.key for key in keys]


# Row by row and by key, for the same reason as in `intake`.
RECALL = """
    SELECT found.* FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (tenant, usr, key)
    CROSS JOIN LATERAL (
        SELECT * FROM idempotency i
        WHERE i.tenant_id = asked.tenant AND i.user_id = asked.usr AND i.key = asked.key LIMIT 1
    ) found
"""


async def recall(conn: Connection, keys: Collection[Key]) -> dict[tuple[str, str, str], Remembered]:
    """What was answered before, by name."""
    if not keys:
        return {}
    rows = await conn.fetch(RECALL, *_names(keys))
    return {
        (row["tenant_id"], row["user_id"], row["key"]): Remembered(row["fingerprint"], row["answer"]) for row in rows
    }


async def remember(conn: Connection, claims: Sequence[tuple[Key, Answer]]) -> set[tuple[str, str, str]]:
    """Store answers, and tell the names that are ours now.

    A name that another transaction is storing is waited for, and is then not ours. Names are taken in one order
    everywhere, so that two batches never wait for each other.
    """
    if not claims:
        return set()
    keys = [key for key, _ in claims]
    rows = await conn.fetch(
        """
        INSERT INTO idempotency (tenant_id, user_id, key, fingerprint, answer)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::jsonb[]) AS t (tenant, usr, key, f, a)
        ORDER BY tenant, usr, key
        ON CONFLICT DO NOTHING RETURNING tenant_id, user_id, key
        """,
        *_names(keys),
        [key.fingerprint for key in keys],
        [answer for _, answer in claims],
    )
    return {(row["tenant_id"], row["user_id"], row["key"]) for row in rows}


async def forget(conn: Connection, limit: int) -> int:
    """Delete what is older than a day, at most so many; how many. A client that repeats itself does so sooner."""
    tag = await conn.execute(
        """
        DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM idempotency WHERE created_at < now() - interval '24 hours' LIMIT $1))
        """,
        limit,
    )
    return int(tag.rpartition(" ")[2])
