"""Listening: an application on a port, within limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from closet_chassis.connections import ConnectionLimits, Connections

_BACKLOG = 1024


@asynccontextmanager
async def serve(
    app: web.Application, host: str, port: int, limits: ConnectionLimits, shutdown_timeout_s: float
) -> AsyncIterator[tuple[str, int]]:
    """Serve `app` inside the block.

    Args:
        app: what is served.
        host: the address to listen on.
        port: 0 for any free one.
        limits: what each connection, and all together, may take.
        shutdown_timeout_s: how long handlers have to end by themselves, and then once more after they are cancelled.

    Yields:
        The address and the port.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=shutdown_timeout_s)
    await runner.setup()
    try:
        make_protocol = runner.server
        assert make_protocol is not None, "the runner has been set up"  # noqa: S101  for the type checker
        connections = Connections(limits, make_protocol)
        server = await asyncio.get_running_loop().create_server(connections, host, port, backlog=_BACKLOG)
        try:
            yield server.sockets[0].getsockname()[:2]
        finally:
            server.close()
    finally:
        await runner.cleanup()
