"""The calls of the API."""

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from closet_devstack.sandbox.perfect.answers import answer
from closet_devstack.sandbox.perfect.engine import Engine
from closet_devstack.sandbox.perfect.errors import Refused, invalid
from closet_devstack.sandbox.perfect.features import FEATURES, Feature
from closet_devstack.sandbox.perfect.gate import Call, guarded
from closet_devstack.sandbox.perfect.results import result_url
from closet_devstack.sandbox.perfect.world import Task, World


def add_routes(app: web.Application, world: World, engine: Engine) -> None:
    router = app.router
    for feature in FEATURES:
        router.add_post(feature.path, guarded(world, "create", _create(world, engine, feature)))
        router.add_get(f"{feature.path}/{{task_id}}", guarded(world, "look", _look(world, feature)))
    router.add_get("/s2s/v1.0/client/credit", guarded(world, "credit", _credit(world)))
    router.add_get("/s2s/v1.0/client/credit/history", guarded(world, "history", _history(world)))
    router.add_get("/s2s/v2.0/credit/feature-cost", guarded(world, "feature-cost", _feature_cost))


def _create(world: World, engine: Engine, feature: Feature) -> Call:
    async def create(request: web.Request, key: str) -> web.Response:
        order = feature.read(await _body(request))
        if world.units.balance < feature.units:
            raise Refused(400, "CreditInsufficiency")
        task = world.create(key, feature, order)
        engine.begin(task)
        return answer({"status": 200, "data": {"task_id": task.id}})

    return create


def _look(world: World, feature: Feature) -> Call:
    async def look(request: web.Request, key: str) -> web.Response:
        task = world.find(request.match_info["task_id"], key, feature)
        if task is None:
            raise Refused(400, "InvalidTaskId")
        task.looks += 1
        return answer({"status": 200, "data": _described(world, task, f"{request.scheme}://{request.host}")})

    return look


def _described(world: World, task: Task, base: str) -> dict[str, Any]:
    data: dict[str, Any] = {"task_status": task.status, "error": task.error, "results": None}
    if task.status == "success":
        data["results"] = {"url": result_url(world, task, 0, base)}
    elif task.status == "error":
        data["error_message"] = task.error_message
    elif world.settings.polling_interval_s:
        data["polling_interval"] = world.settings.polling_interval_s
    return data


def _credit(world: World) -> Call:
    async def credit(_request: web.Request, _key: str) -> web.Response:
        return answer({"status": 200, "results": world.units.tokens(world.now())})

    return credit


def _history(world: World) -> Call:
    async def history(request: web.Request, _key: str) -> web.Response:
        newest_first = world.units.history[::-1]
        page, token = _page(request, newest_first, largest=30)
        return answer({"result": {"next_token": token, "history": page}})

    return history


async def _feature_cost(request: web.Request, _key: str) -> web.Response:
    skus = [
        {
            "description": feature.description,
            "amount": feature.units,
            "unit": "result_image",
            "proc_unit": 1,
            "run_task_url": feature.path,
        }
        for feature in FEATURES
    ]
    page, token = _page(request, skus, largest=20)
    return answer({"result": {"skus": page, "next_token": token}})


def _page(request: web.Request, rows: Sequence[Any], largest: int) -> tuple[list[Any], str | None]:
    """A page, and the token of the next one. Tokens count from the end, so that new rows move nothing."""
    try:
        size = int(request.query.get("page_size", largest))
        left = int(request.query.get("starting_token") or len(rows))
    except ValueError:
        raise invalid("page_size and starting_token") from None
    if not 1 <= size <= largest:
        raise invalid(f"page_size must be from 1 to {largest}")
    start = max(0, len(rows) - left)
    page = list(rows[start : start + size])
    return page, str(left - size) if left > size else None


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise Refused(400, "BadRequest", "not JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "BadRequest", "not an object")
    return body
