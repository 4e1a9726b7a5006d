"""Create a task; look at it."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from closet_devstack.sandbox.perfect.answers import answer
from closet_devstack.sandbox.perfect.api.requests import base, body
from closet_devstack.sandbox.perfect.engine import Engine
from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.faults import Occasion
from closet_devstack.sandbox.perfect.features import FEATURES, Feature, Order
from closet_devstack.sandbox.perfect.gate import Call, guarded
from closet_devstack.sandbox.perfect.results import results
from closet_devstack.sandbox.perfect.tasks import Task
from closet_devstack.sandbox.perfect.world import World

_UNKNOWN: Mapping[str, tuple[int, str | None, str | None]] = {
    "plain": (400, None, "Invalid task ID"),
    "coded": (400, "InvalidTaskId", None),
    "not_found": (404, None, None),
}


def add_routes(app: web.Application, world: World, engine: Engine) -> None:
    for feature in FEATURES:
        create, look = _create(world, engine, feature), _look(world, feature)
        app.router.add_post(feature.path, guarded(world, "create", create, feature.name))
        app.router.add_get(f"{feature.path}/{{task_id}}", guarded(world, "look", look, feature.name))


def new_task(world: World, feature: Feature, order: Order, occasion: Occasion) -> Task:
    """The task, if the account and the uploaded files allow it.

    Raises:
        Refused: they do not.
    """
    if world.available_units(occasion.key) < order.units:
        raise Refused(400, "CreditInsufficiency")
    ids = [reference.file_id for reference in order.references if reference.file_id]
    if any(world.uploads.find(file_id, world.now(), occasion.key) is None for file_id in ids):
        raise Refused(404)
    return world.create(feature, order, occasion)


def _create(world: World, engine: Engine, feature: Feature) -> Call:
    async def create(request: web.Request, occasion: Occasion) -> web.Response:
        task = new_task(world, feature, feature.understand(await body(request)), occasion)
        engine.begin(task)
        return answer({"status": 200, "data": {"task_id": task.told_id}})

    return create


def _look(world: World, feature: Feature) -> Call:
    async def look(request: web.Request, occasion: Occasion) -> web.Response:
        task = world.find(request.match_info["task_id"], occasion.key, feature)
        if task is None:
            raise Refused(*_UNKNOWN[world.settings.unknown_task])
        if task.times_out:
            raise Refused(500, "TaskTimeout", "Task timeout")
        task.looks += 1
        return answer({"status": 200, "data": _described(world, task, base(request))})

    return look


def _described(world: World, task: Task, base_url: str) -> dict[str, Any]:
    data: dict[str, Any] = {"task_status": task.status, "error": task.error, "results": None}
    if task.status == "success":
        data["results"] = results(world, task, base_url)
    elif task.status == "error":
        data["error_message"] = task.error_message
    elif world.settings.polling_interval_s:
        data["polling_interval"] = world.settings.polling_interval_s
    return data
