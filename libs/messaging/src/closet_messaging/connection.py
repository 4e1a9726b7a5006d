"""The connection to NATS: patient, quick to notice a dead peer, drained at the end."""

import asyncio
import socket
from collections.abc import Callable

import structlog
from nats.aio.client import Client
from nats.errors import Error

log = structlog.get_logger(__name__)

DRAIN_S = 5.0
# What is said while the bus is away waits here. Beyond it publishing raises, and the outbox keeps what is owed.
PENDING_BYTES = 8 << 20


def inbox_prefix(service: str) -> str:
    """Where answers to `service` go; no other user of the bus may listen there."""
    return f"_INBOX_{service}"


def _nothing() -> None:
    pass


async def connect(
    url: str,
    service: str,
    *,
    reconnected: Callable[[], None] = _nothing,
    closed: Callable[[], None] = _nothing,
) -> Client:
    """Connect as `service`, trying until it succeeds; afterwards reconnect for ever.

    Args:
        url: where, with user and password.
        service: who; names the connection and the inbox.
        reconnected: called when the connection is back.
        closed: called when the connection is gone for good (refused credentials, or our own `close`).
    """

    async def on_error(error: Exception) -> None:
        log.warning("bus_error", error=type(error).__name__, detail=str(error)[:200])

    async def on_disconnect() -> None:
        if not nc.is_closed:
            log.warning("bus_disconnected")

    async def on_reconnect() -> None:
        log.info("bus_reconnected")
        reconnected()

    async def on_close() -> None:
        closed()

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


async def settled(nc: Client) -> None:
    """Wait until the server has taken all that was said so far, such as subscriptions.

    nats-py's `flush` writes its ping straight to the socket, past commands that still wait for the next turn of the
    event loop. By the time the first ping is answered they are out, so the second answer comes after them.
    """
    await nc.flush()
    await nc.flush()


async def drain(nc: Client) -> None:
    """Let what is in flight finish, but not for ever; then close."""
    try:
        async with asyncio.timeout(DRAIN_S):
            await nc.drain()
    except (Error, OSError):
        log.warning("bus_not_drained")
    finally:
        # `drain` raises while reconnecting, and leaves the connection open when it is interrupted.
        await nc.close()
