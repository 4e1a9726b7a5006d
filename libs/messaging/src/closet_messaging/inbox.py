"""The inbox: an event counts once, however often it is delivered."""

from collections.abc import Iterable

from closet_messaging.unit import Connection

# Sorted, so that two replicas that were given the same events wait for each other instead of deadlocking.
_CLAIM = """
    INSERT INTO inbox (event_id) SELECT id FROM unnest($1::uuid[]) AS id ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING event_id::text
"""


async def claim(conn: Connection, event_ids: Iterable[str]) -> set[str]:
    """Claim events for this transaction; returns those that nobody has handled before.

    Waits for another transaction that holds a claim on one of them, and gets it if that one rolls back.
    """
    return {row[0] for row in await conn.fetch(_CLAIM, list(event_ids))}
