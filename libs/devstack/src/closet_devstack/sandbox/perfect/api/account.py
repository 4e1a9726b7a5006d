"""Units: the balance, the history, the price list."""

from aiohttp import web

from closet_devstack.sandbox.perfect.answers import answer
from closet_devstack.sandbox.perfect.api.requests import base, page
from closet_devstack.sandbox.perfect.faults import Occasion
from closet_devstack.sandbox.perfect.features import FEATURES
from closet_devstack.sandbox.perfect.gate import Call, guarded
from closet_devstack.sandbox.perfect.world import World

_LARGEST_HISTORY, _LARGEST_PRICE_LIST = 30, 20


def add_routes(app: web.Application, world: World) -> None:
    app.router.add_get("/s2s/v1.0/client/credit", guarded(world, "credit", _credit(world)))
    app.router.add_get("/s2s/v1.0/client/credit/history", guarded(world, "history", _history(world)))
    app.router.add_get("/s2s/v2.0/credit/feature-cost", guarded(world, "feature-cost", _feature_cost))


def _credit(world: World) -> Call:
    async def credit(_request: web.Request, occasion: Occasion) -> web.Response:
        return answer({"status": 200, "results": world.accounts.of(occasion.key).tokens(world.now())})

    return credit


def _history(world: World) -> Call:
    async def history(request: web.Request, occasion: Occasion) -> web.Response:
        newest_first = world.accounts.of(occasion.key).history[::-1]
        shown, token = page(request, newest_first, _LARGEST_HISTORY)
        return answer({"status": 200, "result": {"next_token": token, "history": shown}})

    return history


async def _feature_cost(request: web.Request, _occasion: Occasion) -> web.Response:
    skus = [
        {
            "description": sku.description,
            "amount": sku.units,
            "unit": "result_image",
            "proc_unit": 1,
            "run_task_url": base(request) + feature.path,
        }
        for feature in FEATURES
        for sku in feature.skus
    ]
    shown, token = page(request, skus, _LARGEST_PRICE_LIST)
    return answer({"status": 200, "result": {"skus": shown, "next_token": token}})
