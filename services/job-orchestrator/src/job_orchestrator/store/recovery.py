"""What the service had told, as a recovery has read it from the bus."""

from collections.abc import Collection

from closet_messaging.transaction import Connection


async def told_end(conn: Connection, subject: str, types: Collection[str]) -> str | None:
    """The type of the end that was told of a job, of these types; None if none was."""
    thing: str | None = await conn.fetchval(
        "SELECT thing FROM recovery_events WHERE own AND thing = ANY($1) LIMIT 1",
        [f"{one} {subject}" for one in types],
    )
    return thing.split(" ")[0] if thing else None
