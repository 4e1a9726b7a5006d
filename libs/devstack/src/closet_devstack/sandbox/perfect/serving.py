"""Serves the vendor until told to stop."""

import asyncio
import signal
from collections.abc import Callable

from aiohttp import web

from closet_devstack.sandbox.perfect.app import make_app
from closet_devstack.sandbox.perfect.scenario import Scenario


async def serve(scenario: Scenario, units: int, host: str, port: int, ready: Callable[[], None]) -> None:
    """Until SIGINT or SIGTERM; `ready` is called when it listens.

    Raises:
        OSError: the port is taken.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runner = web.AppRunner(make_app(scenario, units), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        ready()
        await stopping.wait()
    finally:
        await runner.cleanup()
