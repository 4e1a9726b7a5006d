"""The vendor, put together."""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from closet_devstack.sandbox.perfect import api, results
from closet_devstack.sandbox.perfect.answers import refusal
from closet_devstack.sandbox.perfect.control import Control
from closet_devstack.sandbox.perfect.engine import Engine
from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.gate import Handler
from closet_devstack.sandbox.perfect.settings import Settings
from closet_devstack.sandbox.perfect.webhooks import Webhooks
from closet_devstack.sandbox.perfect.world import World


def make_app(settings: Settings, units: int) -> web.Application:
    """The application; the session to the world outside lives as long as it does."""
    world = World(settings, units)
    app = web.Application(middlewares=[_unknown_paths])
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64, limit_per_host=32))
    webhooks = Webhooks(world, session)
    engine = Engine(world, session, webhooks)
    api.add_routes(app, world, engine)
    results.add_routes(app, world)
    Control(world, engine).add_routes(app)

    async def outside(_app: web.Application) -> AsyncIterator[None]:
        yield
        await engine.drop()
        await session.close()

    app.cleanup_ctx.append(outside)
    return app


@web.middleware
async def _unknown_paths(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Also what the API does not know answers in its envelope."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if request.path.startswith("/s2s/"):
            return refusal(Refused(error.status, sentence=error.reason))
        raise
