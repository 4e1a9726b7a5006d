"""The bus's users and streams, as messaging makes them from the catalogue."""

import secrets

from closet_contracts.catalog import OPERATOR
from closet_contracts.ownership import Service
from closet_messaging.connection import connect, drain
from closet_messaging.streams import provision as provision_streams


def new_passwords() -> dict[str, str]:
    """A password for every service and for the operator."""
    return {user: secrets.token_hex(16) for user in (OPERATOR, *Service)}


async def provision(operator_url: str) -> None:
    """Create the streams and consumers."""
    client = await connect(operator_url, OPERATOR)
    try:
        await provision_streams(client.jetstream())
    finally:
        await drain(client)


async def clear(operator_url: str) -> None:
    """Remove every stream, with all it holds."""
    client = await connect(operator_url, OPERATOR)
    try:
        jetstream = client.jetstream()
        for stream in await jetstream.streams_info():
            await jetstream.delete_stream(str(stream.config.name))
    finally:
        await drain(client)
