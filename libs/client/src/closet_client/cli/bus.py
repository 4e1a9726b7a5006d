"""The operator's way to the bus. It is loaded inside the functions: a shop's command needs none of it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from closet_client.cli.output import fail, run
from closet_client.cli.settings import nats_url

if TYPE_CHECKING:
    from closet_messaging.connection import BusConnection

Visit = Callable[["BusConnection"], Awaitable[None]]


def on_bus(visit: Visit) -> None:
    """Run `visit` with a connection as operator; whatever goes wrong becomes a sentence and exit code 1."""
    run(_on_bus(nats_url(), visit))


async def _on_bus(url: str, work: Visit) -> None:
    from closet_chassis.logs import setup_logging  # noqa: PLC0415  see above
    from closet_messaging.connection import BusUnavailable, operator_connection  # noqa: PLC0415
    from closet_messaging.dead_letters import DeadLetterNotFound  # noqa: PLC0415
    from closet_messaging.rpc import RpcFailed, RpcUnavailable  # noqa: PLC0415

    setup_logging("closet", "CRITICAL")
    try:
        async with operator_connection(url) as connection:
            await work(connection)
    except (BusUnavailable, RpcUnavailable, DeadLetterNotFound) as error:
        fail(str(error))
    except RpcFailed as error:
        fail(f"{error.detail} ({error.code})")
