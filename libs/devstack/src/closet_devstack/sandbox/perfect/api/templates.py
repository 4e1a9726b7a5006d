"""The ready-made styles of a feature, and their small pictures."""

from typing import Any

from aiohttp import web

from closet_devstack.sandbox.perfect.answers import answer
from closet_devstack.sandbox.perfect.api.requests import base, page
from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.faults import Occasion
from closet_devstack.sandbox.perfect.features import FEATURES, Feature, Template
from closet_devstack.sandbox.perfect.gate import guarded
from closet_devstack.sandbox.perfect.world import World

_LARGEST_PAGE = 20
_FEATURES = {feature.name: feature for feature in FEATURES if feature.templates}


def add_routes(app: web.Application, world: World) -> None:
    app.router.add_get(r"/s2s/{version:v2\.\d}/task/template/{feature}", guarded(world, "templates", _list))
    app.router.add_get("/templates/{feature}/{id}.jpg", _thumb)


async def _list(request: web.Request, _occasion: Occasion) -> web.Response:
    feature = _FEATURES.get(request.match_info["feature"])
    if feature is None:
        raise Refused(400, "OperationNotSupport", "The feature has no templates")
    shown, token = page(request, feature.templates, _LARGEST_PAGE)
    templates = [_described(feature, template, base(request)) for template in shown]
    return answer({"status": 200, "data": {"templates": templates, "next_token": token}})


def _described(feature: Feature, template: Template, base_url: str) -> dict[str, Any]:
    return {
        "id": template.id,
        "thumb": f"{base_url}/templates/{feature.name}/{template.id}.jpg",
        "title": template.title,
        "category_name": template.category,
    }


async def _thumb(request: web.Request) -> web.Response:
    feature = _FEATURES.get(request.match_info["feature"])
    for template in feature.templates if feature else ():
        if feature and template.id == request.match_info["id"]:
            return web.Response(body=feature.thumb(template), content_type="image/jpeg")
    raise web.HTTPNotFound
