"""`/_sandbox/`: a test's hand on the vendor. Not behind its key and quota, and not counted."""

from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from closet_devstack.sandbox.perfect.engine import Engine
from closet_devstack.sandbox.perfect.faults import Fault
from closet_devstack.sandbox.perfect.scenario import Director
from closet_devstack.sandbox.perfect.settings import Settings
from closet_devstack.sandbox.perfect.stats import shown, stats
from closet_devstack.sandbox.perfect.world import Nudge, World

M = TypeVar("M", bound=BaseModel)


class Control:
    """The handlers."""

    def __init__(self, world: World, engine: Engine, director: Director) -> None:
        self._world = world
        self._engine = engine
        self._director = director

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/_sandbox/ready", self.ready)
        app.router.add_post("/_sandbox/reset", self.reset)
        app.router.add_get("/_sandbox/stats", self.stats)
        app.router.add_get("/_sandbox/tasks", self.tasks)
        app.router.add_get("/_sandbox/settings", self.settings)
        app.router.add_patch("/_sandbox/settings", self.change_settings)
        app.router.add_get("/_sandbox/faults", self.faults)
        app.router.add_post("/_sandbox/faults", self.add_faults)
        app.router.add_delete("/_sandbox/faults", self.clear_faults)
        app.router.add_post("/_sandbox/nudge", self.nudge)
        app.router.add_get("/_sandbox/public-key", self.public_key)

    async def ready(self, request: web.Request) -> web.Response:
        """Only for those who know a key: whoever started this one can tell it from another."""
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self._world.settings.api_keys:
            raise web.HTTPForbidden
        return web.Response()

    async def reset(self, request: web.Request) -> web.Response:
        """As it was at its start; tasks that run are dropped."""
        await self._engine.drop()
        self._world.reset()
        await self._director.start()
        return await self.stats(request)

    async def stats(self, _request: web.Request) -> web.Response:
        return _json(stats(self._world))

    async def tasks(self, _request: web.Request) -> web.Response:
        return _json([shown(task) for task in self._world.tasks.values()])

    async def settings(self, _request: web.Request) -> web.Response:
        return _json(self._world.settings.model_dump(mode="json"))

    async def change_settings(self, request: web.Request) -> web.Response:
        """Those named in the body; the rest stay."""
        self._world.change(_understood(Settings, await _object(request)))
        return await self.settings(request)

    async def faults(self, _request: web.Request) -> web.Response:
        return _json([fault.model_dump(mode="json") for fault in self._world.faults.waiting])

    async def add_faults(self, request: web.Request) -> web.Response:
        self._world.faults.add([_understood(Fault, await _object(request))])
        return await self.faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._world.faults.waiting.clear()
        return await self.faults(request)

    async def public_key(self, _request: web.Request) -> web.Response:
        """For which clients of the first API encrypt who they are."""
        return web.Response(text=self._world.tokens.public_key, content_type="application/x-pem-file")

    async def nudge(self, request: web.Request) -> web.Response:
        self._world.nudge(_understood(Nudge, await _object(request)))
        return await self.stats(request)


def _understood(model: type[M], document: dict[str, Any]) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise web.HTTPUnprocessableEntity(text=str(error)) from None


async def _object(request: web.Request) -> dict[str, Any]:
    document = orjson.loads(await request.read())
    if not isinstance(document, dict):
        raise web.HTTPUnprocessableEntity(text="not an object")
    return document


def _json(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")
