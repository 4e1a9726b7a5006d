"""A customer of the vendor's sandbox."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.servers.perfect import PerfectServer

from .customer import World


@pytest.fixture
async def world(perfect_server: PerfectServer, sandbox: Remote) -> AsyncIterator[World]:
    async with aiohttp.ClientSession() as session:
        one = World(perfect_server, session)
        app = web.Application()
        app.router.add_get("/{name}", one.serve)
        app.router.add_post("/hooks", one.hear)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        await sandbox.change(webhook_urls=[f"{one.url}/hooks"])
        yield one
        await sandbox.reset()
        await runner.cleanup()
