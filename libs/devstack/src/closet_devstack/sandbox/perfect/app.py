"""The vendor, put together."""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from closet_devstack.sandbox.perfect import api
from closet_devstack.sandbox.perfect.answers import refusal
from closet_devstack.sandbox.perfect.classic import Classic
from closet_devstack.sandbox.perfect.control import Control
from closet_devstack.sandbox.perfect.engine import Engine
from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.gate import Handler
from closet_devstack.sandbox.perfect.inputs import Inputs
from closet_devstack.sandbox.perfect.results import Downloads
from closet_devstack.sandbox.perfect.scenario import Director, Scenario
from closet_devstack.sandbox.perfect.webhooks import Webhooks
from closet_devstack.sandbox.perfect.world import World

_LARGEST_BODY = 16 << 20  # the classic profile takes a mask in the call itself


def make_app(scenario: Scenario, units: int) -> web.Application:
    """The application; the session to the world outside lives as long as it does."""
    world = World(scenario.settings, units, scenario.faults)
    app = web.Application(middlewares=[_unknown_paths], client_max_size=_LARGEST_BODY)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64, limit_per_host=32))
    engine = Engine(world, Inputs(session), Webhooks(world, session))
    director = Director(world, scenario)
    api.add_routes(app, world, engine)
    Classic(world, engine).add_routes(app)
    Downloads(world).add_routes(app)
    Control(world, engine, director).add_routes(app)

    async def outside(_app: web.Application) -> AsyncIterator[None]:
        await director.start()
        yield
        await director.stop()
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
        if request.path.startswith(("/s2s/", "/ai-api/")):
            return refusal(Refused(error.status, sentence=error.reason))
        raise
