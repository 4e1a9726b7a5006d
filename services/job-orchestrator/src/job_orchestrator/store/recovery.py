"""The events that the service had emitted, as a recovery has read them from the bus."""

from collections.abc import Collection

from closet_messaging.transaction import Connection


async def find_emitted_end(conn: Connection, subject: str, types: Collection[str]) -> str | None:
    """Return the type of the final event that was emitted about a job, out of `types`; None if there is none."""
    found: str | None = await conn.fetchval(
        "SELECT thing FROM recovery_events WHERE own AND thing = ANY($1) LIMIT 1",
        [f"{event_type} {subject}" for event_type in types],
    )
    return found.split(" ")[0] if found else None
