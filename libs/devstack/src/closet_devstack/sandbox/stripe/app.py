"""Stripe, put together."""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from closet_devstack.sandbox.stripe import api
from closet_devstack.sandbox.stripe.control import Control
from closet_devstack.sandbox.stripe.gate import gate
from closet_devstack.sandbox.stripe.meters import Meters
from closet_devstack.sandbox.stripe.settings import Settings
from closet_devstack.sandbox.stripe.webhooks import Webhooks
from closet_devstack.sandbox.stripe.world import World


def make_app(settings: Settings) -> web.Application:
    """The application; the session to the world outside lives as long as it does."""
    world = World(settings)
    app = web.Application(middlewares=[gate(world)])
    session = aiohttp.ClientSession()
    webhooks = Webhooks(world, session)
    api.add_routes(app, world, webhooks)
    Meters(world, webhooks).add_routes(app)
    Control(world, webhooks).add_routes(app)

    async def outside(_app: web.Application) -> AsyncIterator[None]:
        yield
        await webhooks.drop()
        await session.close()

    app.cleanup_ctx.append(outside)
    return app
