"""Bring files: announced in a call, then put into the storage, which wants exactly the headers that were named."""

from typing import Any

from aiohttp import web

from closet_devstack.sandbox.perfect.answers import answer
from closet_devstack.sandbox.perfect.api.requests import base, body
from closet_devstack.sandbox.perfect.errors import invalid
from closet_devstack.sandbox.perfect.faults import Occasion
from closet_devstack.sandbox.perfect.features import FEATURES
from closet_devstack.sandbox.perfect.gate import Call, Handler, guarded
from closet_devstack.sandbox.perfect.uploads import Announced
from closet_devstack.sandbox.perfect.world import World

_TTL_S = 3600
_MIB = 1 << 20
_LARGEST = {"image/jpeg": 10 * _MIB, "image/jpg": 10 * _MIB, "image/png": 10 * _MIB, "video/mp4": 100 * _MIB}


def add_routes(app: web.Application, world: World) -> None:
    for path in ("/s2s/v2.0/file", *(feature.file_path for feature in FEATURES if feature.file_path)):
        app.router.add_post(path, guarded(world, "file", _announce(world)))
    app.router.add_put("/uploads/{id}", _put(world))


def _announce(world: World) -> Call:
    async def announce(request: web.Request, occasion: Occasion) -> web.Response:
        asked = (await body(request)).get("files")
        if not isinstance(asked, list) or not asked:
            raise invalid("files must name at least one file")
        files = [_understood(item, occasion.key, world.now()) for item in asked]
        for file in files:
            world.uploads.announce(file)
        placed = [
            _placed(world, file, item["file_name"], base(request)) for file, item in zip(files, asked, strict=True)
        ]
        return answer({"status": 200, "data": {"files": placed}})

    return announce


def _understood(item: object, key: str, now: float) -> Announced:
    if not isinstance(item, dict) or not isinstance(item.get("file_name"), str):
        raise invalid("each file needs content_type, file_name and file_size")
    content_type, size = item.get("content_type"), item.get("file_size")
    largest = _LARGEST.get(content_type) if isinstance(content_type, str) else None
    if largest is None:
        raise invalid(f"content_type must be one of {', '.join(_LARGEST)}")
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= largest:
        raise invalid(f"file_size must be from 1 to {largest}")
    return Announced(key, str(content_type), size, now)


def _placed(world: World, file: Announced, name: str, base_url: str) -> dict[str, Any]:
    query = world.signer.query(file.place, int(file.at) + _TTL_S)
    request = {
        "method": "PUT",
        "url": f"{base_url}/uploads/{file.place}?{query}",
        "headers": {"Content-Type": file.content_type, "Content-Length": str(file.size)},
    }
    return {"content_type": file.content_type, "file_name": name, "file_id": file.id, "requests": [request]}


def _put(world: World) -> Handler:
    async def put(request: web.Request) -> web.Response:
        place = request.match_info["id"]
        file = world.uploads.at(place)
        if file is None or not world.signer.accepts(place, request.query, world.now()):
            raise web.HTTPForbidden(text="SignatureDoesNotMatch")
        if request.headers.get("Content-Type") != file.content_type or request.content_length != file.size:
            raise web.HTTPForbidden(text="SignatureDoesNotMatch: Content-Type and Content-Length are signed")
        world.uploads.put(file, await request.content.read())
        return web.Response()

    return put
