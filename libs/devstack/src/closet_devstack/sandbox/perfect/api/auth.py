"""Log in to the vendor's first API."""

from aiohttp import web

from closet_devstack.sandbox.perfect.answers import answer
from closet_devstack.sandbox.perfect.api.requests import body
from closet_devstack.sandbox.perfect.errors import Refused, invalid
from closet_devstack.sandbox.perfect.faults import Occasion
from closet_devstack.sandbox.perfect.gate import Call, guarded
from closet_devstack.sandbox.perfect.world import World


def add_routes(app: web.Application, world: World) -> None:
    app.router.add_post("/s2s/v1.0/client/auth", guarded(world, "auth", _authenticate(world), is_open=True))


def _authenticate(world: World) -> Call:
    async def authenticate(request: web.Request, _occasion: Occasion) -> web.Response:
        said = await body(request)
        client_id, id_token = said.get("client_id"), said.get("id_token")
        if not isinstance(client_id, str) or not isinstance(id_token, str):
            raise invalid("client_id and id_token are required")
        key = world.settings.clients.get(client_id)
        if key is None or not world.tokens.proves(id_token, client_id, world.now()):
            raise Refused(401, "InvalidAccessToken")
        return answer({"status": 200, "result": {"access_token": world.tokens.grant(key, world.now())}})

    return authenticate
