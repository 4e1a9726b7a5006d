"""Results are downloaded from signed URLs that live for a while."""

from aiohttp import web

from closet_devstack.sandbox.perfect.delivery import Sending, send
from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.faults import STEERING_HEADER, Kind, Occasion
from closet_devstack.sandbox.perfect.tasks import Task
from closet_devstack.sandbox.perfect.world import World

_GARBAGE = b"\xff\xd8 this is no picture"
_OVERSIZED = 32 << 20
_TYPES = {"jpg": "image/jpeg", "png": "image/png", "zip": "application/zip"}
_ELSEWHERE = "elsewhere"


def results(world: World, task: Task, base: str) -> object:
    """`data.results`, with fresh URLs."""
    told = task.told([_url(world, base, name) for name in task.files])
    return [told] if world.settings.result_shape == "list" and "url" in told else told


def result_urls(world: World, task: Task, base: str) -> list[str]:
    """Fresh URLs of a task's files."""
    return [_url(world, base, name) for name in task.files]


def _url(world: World, base: str, name: str) -> str:
    expires = int(world.now()) + world.settings.result_ttl_s
    return f"{base}/results/{name}?{world.signer.query(name, expires)}"


class Downloads:
    """The storage's side of results: no key, no quota."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/results/{name}", self.download, allow_head=False)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The file; counted when the caller has taken all of it."""
        name = request.match_info["name"]
        occasion = self._occasion(request, name)
        response = self._response(request, name, occasion)
        sending = self._sending(occasion)
        sent = await send(request, response, sending, self._world.clock)
        if not sending.is_cut and name in self._world.owners:  # there may have been a reset meanwhile
            self._world.downloaded.add(name)
        return sent

    def _occasion(self, request: web.Request, name: str) -> Occasion:
        """That of the task, and what was ordered for this download alone."""
        task = self._world.owners.get(name)
        if task is None:
            raise web.HTTPNotFound
        try:
            return task.occasion.steered_by(request.headers.get(STEERING_HEADER, ""))
        except Refused as refused:
            raise web.HTTPBadRequest(text=refused.sentence) from None

    def _response(self, request: web.Request, name: str, occasion: Occasion) -> web.Response:
        world = self._world
        if not world.signer.accepts(name, request.query, world.now()) or self._takes("result_expired", occasion):
            raise web.HTTPForbidden
        data = world.results.get(name)
        if data is None or self._takes("result_gone", occasion):
            raise web.HTTPNotFound
        # Whoever was sent elsewhere once is not sent again.
        if _ELSEWHERE not in request.query and self._takes("result_redirect", occasion):
            raise web.HTTPFound(request.rel_url.update_query({_ELSEWHERE: "1"}))
        return web.Response(body=self._body(data, occasion), content_type=self._type(name, occasion))

    def _body(self, data: bytes, occasion: Occasion) -> bytes:
        if self._takes("result_garbage", occasion):
            return _GARBAGE
        oversized = self._world.faults.take("result_oversized", occasion)
        return data + bytes(oversized.bytes or _OVERSIZED) if oversized else data

    def _type(self, name: str, occasion: Occasion) -> str:
        return "text/html" if self._takes("result_wrong_type", occasion) else _TYPES[name.rpartition(".")[2]]

    def _sending(self, occasion: Occasion) -> Sending:
        if self._takes("result_cut", occasion):
            return Sending(is_cut=True)
        slow = self._world.faults.take("result_slow", occasion)
        return Sending(trickle_s=slow.ms / 1000 if slow else 0)

    def _takes(self, kind: Kind, occasion: Occasion) -> bool:
        return self._world.faults.take(kind, occasion) is not None
