"""The operator's connection to the bus, for one command."""

import os
from collections.abc import Awaitable, Callable

import typer
from closet_chassis.logs import setup_logging
from closet_client.cli.output import fail, run
from closet_messaging.connection import BusConnection, BusUnavailable, operator_connection
from closet_messaging.dead_letters import DeadLetterNotFound
from closet_messaging.rpc import RpcFailed, RpcUnavailable

OnBus = Callable[[BusConnection], Awaitable[None]]


def on_bus(work: OnBus) -> None:
    """Run `work` with a connection as operator; a failure becomes a sentence and exit code 1.

    Raises:
        typer.BadParameter: `CLOSET_NATS_URL` is not set.
    """
    url = os.environ.get("CLOSET_NATS_URL", "")
    if not url:
        raise typer.BadParameter("set CLOSET_NATS_URL, with the operator's user and password")
    run(_on_bus(url, work))


async def _on_bus(url: str, work: OnBus) -> None:
    setup_logging("closet-ops", "CRITICAL")
    try:
        async with operator_connection(url) as connection:
            await work(connection)
    except (BusUnavailable, RpcUnavailable, DeadLetterNotFound) as error:
        fail(str(error))
    except RpcFailed as error:
        fail(f"{error.detail} ({error.code})")
