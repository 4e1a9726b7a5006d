"""Results are downloaded from a signed URL that lives for a while."""

import hmac
from urllib.parse import urlencode

from aiohttp import web

from closet_devstack.sandbox.perfect.world import Task, World


def result_url(world: World, task: Task, index: int, base: str) -> str:
    """A fresh URL."""
    name = f"{task.token}_{index}"
    expires = int(world.now()) + world.settings.result_ttl_s
    return f"{base}/results/{name}.jpg?{urlencode({'Expires': expires, 'Signature': _signature(world, name, expires)})}"


def add_routes(app: web.Application, world: World) -> None:
    async def download(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not _is_valid(world, name, request.query.get("Expires", ""), request.query.get("Signature", "")):
            raise web.HTTPForbidden
        picture = world.pictures.get(name)
        if picture is None or (world.faults.waiting and world.faults.take("result_gone")):
            raise web.HTTPNotFound
        if world.faults.waiting and world.faults.take("result_garbage"):
            picture = b"\xff\xd8 this is no picture"
        return web.Response(body=picture, content_type="image/jpeg")

    app.router.add_get("/results/{name}.jpg", download)


def _is_valid(world: World, name: str, expires: str, signature: str) -> bool:
    if not expires.isdecimal() or int(expires) < world.now():
        return False
    return hmac.compare_digest(signature, _signature(world, name, int(expires)))


def _signature(world: World, name: str, expires: int) -> str:
    return hmac.digest(world.signing_key, f"{name}.{expires}".encode(), "sha256").hex()
