"""The stored answers that repeated requests get."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from closet_chassis.postgres import affected
from closet_messaging.transaction import Connection

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key with a digest of the request that it was sent with."""

    tenant: str
    user: str
    key: str
    fingerprint: bytes

    @property
    def name(self) -> tuple[str, str, str]:
        """The part that identifies the request; a different fingerprint under the same name is a client's mistake."""
        return self.tenant, self.user, self.key


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The fingerprint of an earlier request and its answer."""

    fingerprint: bytes
    answer: Answer


def _names(keys: Collection[Key]) -> tuple[list[str], list[str], list[str]]:
    return [key.tenant for key in keys], [key.user for key in keys], [key.key for key in keys]


# By key with LATERAL, for the reason given in `intake`.
FIND_ANSWERS = """
    SELECT found.* FROM unnest($1::text[], $2::text[], $3::text[]) AS keys (tenant, usr, key)
    CROSS JOIN LATERAL (
        SELECT * FROM idempotency i
        WHERE i.tenant_id = keys.tenant AND i.user_id = keys.usr AND i.key = keys.key LIMIT 1
    ) found
"""


async def find_answers(conn: Connection, keys: Collection[Key]) -> dict[tuple[str, str, str], StoredAnswer]:
    """Return the answers to earlier requests, by name."""
    if not keys:
        return {}
    rows = await conn.fetch(FIND_ANSWERS, *_names(keys))
    return {
        (row["tenant_id"], row["user_id"], row["key"]): StoredAnswer(row["fingerprint"], row["answer"]) for row in rows
    }


async def store_answers(conn: Connection, answers: Sequence[tuple[Key, Answer]]) -> set[tuple[str, str, str]]:
    """Store answers; return the names that were not stored before.

    Waits for a concurrent transaction that stores the same name; the name is then not among those returned. Names are
    locked in one order everywhere, so that two batches never wait for each other.
    """
    if not answers:
        return set()
    keys = [key for key, _ in answers]
    rows = await conn.fetch(
        """
        INSERT INTO idempotency (tenant_id, user_id, key, fingerprint, answer)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::jsonb[]) AS t (tenant, usr, key, f, a)
        ORDER BY tenant, usr, key
        ON CONFLICT DO NOTHING RETURNING tenant_id, user_id, key
        """,
        *_names(keys),
        [key.fingerprint for key in keys],
        [answer for _, answer in answers],
    )
    return {(row["tenant_id"], row["user_id"], row["key"]) for row in rows}


async def delete_expired(conn: Connection, limit: int) -> int:
    """Delete at most `limit` answers older than a day; return how many."""
    tag = await conn.execute(
        """
        DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM idempotency WHERE created_at < now() - interval '24 hours' LIMIT $1))
        """,
        limit,
    )
    return affected(tag)
