"""The calls of the API."""

from aiohttp import web

from closet_devstack.sandbox.perfect.api import account, auth, deletion, files, tasks, templates
from closet_devstack.sandbox.perfect.engine import Engine
from closet_devstack.sandbox.perfect.world import World


def add_routes(app: web.Application, world: World, engine: Engine) -> None:
    deletion.add_routes(app, world)  # before the tasks, for whose ids its path could be taken
    templates.add_routes(app, world)
    tasks.add_routes(app, world, engine)
    files.add_routes(app, world)
    account.add_routes(app, world)
    auth.add_routes(app, world)
