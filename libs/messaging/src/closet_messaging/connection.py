"""The connection to NATS: patient, quick to notice a dead peer, drained at the end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from closet_contracts.catalog import OPERATOR
from nats.aio.client import Client
from nats.errors import Error

log = structlog.get_logger(__name__)

DRAIN_S = 5.0
OPERATOR_CONNECT_S = 5.0
# Buffered while the bus is away. Beyond it publishing raises, and the outbox keeps the events.
PENDING_BYTES = 8 << 20

BusConnection = Client  # for the annotations of modules that do not import NATS


def inbox_prefix(service: str) -> str:
    """Return the prefix of subjects for replies to `service`; no other user of the bus may subscribe there."""
    return f"_INBOX_{service}"


def _nothing() -> None:
    pass


async def connect(
    url: str,
    service: str,
    *,
    on_reconnected: Callable[[], None] = _nothing,
    on_closed: Callable[[], None] = _nothing,
) -> Client:
    """Connect as `service`, trying until it succeeds; afterwards reconnect for ever.

    Args:
        url: with user and password.
        service: names the connection and the inbox.
        on_reconnected: called when the connection is back.
        on_closed: called when the connection is gone for good (refused credentials, or our own `close`).
    """

    async def on_error(error: Exception) -> None:
        log.warning("bus_error", error=type(error).__name__, detail=str(error)[:200])

    async def on_disconnect() -> None:
        if not nc.is_closed:
            log.warning("bus_disconnected")

    async def on_reconnect() -> None:
        log.info("bus_reconnected")
        on_reconnected()

    async def on_close() -> None:
        on_closed()

    nc = Client()
    await nc.connect(
        url,
        name=f"{service}@{socket.gethostname()}",
        inbox_prefix=inbox_prefix(service),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,  # type: ignore[arg-type]  # goes to asyncio.sleep
        ping_interval=15,
        max_outstanding_pings=2,
        pending_size=PENDING_BYTES,
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        closed_cb=on_close,
    )
    return nc


async def wait_until_processed(nc: Client) -> None:
    """Wait until the server has processed all that was sent so far, such as subscriptions.

    nats-py's `flush` writes its ping straight to the socket, past commands that still wait for the next turn of the
    event loop. By the time the first ping is answered they are out, so the second answer comes after them.
    """
    await nc.flush()
    await nc.flush()


async def drain(nc: Client) -> None:
    """Let what is in flight finish, for `DRAIN_S` seconds at most; then close."""
    try:
        async with asyncio.timeout(DRAIN_S):
            await nc.drain()
    except (Error, OSError):
        log.warning("bus_not_drained")
    finally:
        # `drain` raises while reconnecting, and leaves the connection open when it is interrupted.
        await nc.close()


class BusUnavailable(Exception):
    """The bus did not let the operator in, or the connection failed."""


@asynccontextmanager
async def operator_connection(url: str) -> AsyncIterator[BusConnection]:
    """Connect as operator for as long as the block runs; impatient where a service waits.

    Raises:
        BusUnavailable: no connection within a few seconds, or the bus failed inside the block.
    """
    try:
        async with asyncio.timeout(OPERATOR_CONNECT_S):
            nc = await connect(url, OPERATOR)
    except (Error, OSError) as error:
        raise BusUnavailable("the bus does not answer, or not to this user") from error
    try:
        yield nc
    except Error as error:
        raise BusUnavailable(f"the bus failed ({type(error).__name__})") from error
    finally:
        await drain(nc)
