"""The five calls, and the three ways in which they give their pictures."""

import asyncio
import base64
from itertools import cycle
from typing import Any

from aiohttp import web

from closet_devstack.sandbox.perfect.answers import answer
from closet_devstack.sandbox.perfect.api.requests import base, body
from closet_devstack.sandbox.perfect.api.tasks import new_task
from closet_devstack.sandbox.perfect.classic.orders import READS, Read
from closet_devstack.sandbox.perfect.engine import Engine
from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.faults import Occasion
from closet_devstack.sandbox.perfect.gate import Call, guarded
from closet_devstack.sandbox.perfect.results import result_urls
from closet_devstack.sandbox.perfect.settings import ClassicShape
from closet_devstack.sandbox.perfect.tasks import Task
from closet_devstack.sandbox.perfect.world import World

_SHAPES: tuple[ClassicShape, ...] = ("image_base64", "image_url", "images")
_THEIR_FAULT = frozenset({"error_inference", "error_upload", "unknown_internal_error"})


class Classic:
    """The handlers. Each order is a task like any other, but for its webhook."""

    def __init__(self, world: World, engine: Engine) -> None:
        self._world = world
        self._engine = engine
        self._shapes = cycle(_SHAPES)

    def add_routes(self, app: web.Application) -> None:
        for name, read in READS.items():
            app.router.add_post(f"/ai-api/v1/{name}", guarded(self._world, "classic", self._call(read)))

    def _call(self, read: Read) -> Call:
        async def call(request: web.Request, occasion: Occasion) -> web.Response:
            feature, order = read(await body(request))
            # Its faults are those of the feature that it stands for.
            own = Occasion(occasion.operation, occasion.key, feature.name, occasion.own)
            task = new_task(self._world, feature, order, own)
            # The task goes on when its caller hangs up.
            await asyncio.shield(self._engine.begin(task, silent=True))
            if task.status == "error":
                raise Refused(500 if task.error in _THEIR_FAULT else 400, task.error, task.error_message)
            return self._answer(request, task)

        return call

    def _answer(self, request: web.Request, task: Task) -> web.Response:
        document = self._pictures(base(request), task)
        if task.feature.is_analysis and task.files:
            document |= task.told(result_urls(self._world, task, base(request)))
        response = answer(document)
        response.headers["x-credit-remaining"] = str(self._world.accounts.of(task.key).balance)
        response.headers["x-credits-used"] = str(task.charged)
        return response

    def _pictures(self, base_url: str, task: Task) -> dict[str, Any]:
        urls = result_urls(self._world, task, base_url)
        encoded = [base64.b64encode(self._world.results.get(name) or b"").decode() for name in task.files]
        shape = self._world.settings.classic_answer or next(self._shapes)
        if not urls:
            return {"images": []}
        if shape == "images":
            return {"images": [{"base64": encoded[0]}, *({"url": url} for url in urls[1:])]}
        return {"image_base64": encoded[0]} if shape == "image_base64" else {"image_url": urls[0]}
