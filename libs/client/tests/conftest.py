from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from .fake_closet import CLOSET, ROUTES, FakeCloset, authorise, misbehave


@pytest.fixture
async def closet() -> AsyncIterator[FakeCloset]:
    """Two replicas that share their state, as a gateway's do."""
    shared = FakeCloset()
    async with AsyncExitStack() as servers:
        for _ in range(2):
            app = web.Application(middlewares=[misbehave, authorise], client_max_size=1 << 24)
            app[CLOSET] = shared
            app.add_routes(ROUTES)
            server = await servers.enter_async_context(TestServer(app))
            shared.urls.append(f"http://127.0.0.1:{server.port}")
        yield shared
