"""`closet-ops provision` and `closet-ops permissions`: the bus as the catalogue declares it."""

from typing import Annotated

import typer
from closet_client.cli.output import fail, out, raw
from closet_messaging.connection import BusConnection
from closet_messaging.streams import Drift
from closet_messaging.streams import provision as provision_streams

from closet_operator.bus import on_bus
from closet_operator.permissions import server_users

Replicas = Annotated[int, typer.Option("--replicas", min=1, max=5, help="Copies of each stream in a cluster.")]


def provision(*, replicas: Replicas = 1) -> None:
    """Create or update streams and consumers; exit code 1 if something cannot be changed without loss."""

    async def create(connection: BusConnection) -> None:
        try:
            for line in await provision_streams(connection.jetstream(), replicas):
                out.print(line, markup=False)
        except Drift as drift:
            fail("refused:\n" + "\n".join(f"  {line}" for line in drift.differences))

    on_bus(create)


def permissions() -> None:
    """Print the NATS server's accounts and users; passwords are read from the server's environment."""
    raw(server_users())
