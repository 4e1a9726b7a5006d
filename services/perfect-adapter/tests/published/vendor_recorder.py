"""Between the service and its vendor: everything that is sent is kept, and goes on as it came."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from closet_devstack.ports import free_port

_HOP = {"host", "content-length", "transfer-encoding", "content-encoding", "connection"}
_MAX_BYTES = 32 << 20


@dataclass(frozen=True)
class Sent:
    """One request as it came over the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Recorder:
    """A vendor that keeps what it was asked. What it says of its own address is said of ours: uploads come by too."""

    url: str
    vendor: str
    session: aiohttp.ClientSession
    sent: list[Sent] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # file id -> path of its PUT

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.sent.append(Sent(request.method, request.path, dict(request.query), headers, raw))
        kept = {name: value for name, value in headers.items() if name not in _HOP}
        target = self.vendor + request.raw_path
        async with self.session.request(request.method, target, data=raw or None, headers=kept) as answer:
            told = (await answer.read()).replace(self.vendor.encode(), self.url.encode())
            if request.path == "/s2s/v2.0/file":
                self._note_places(json.loads(told))
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            return web.Response(status=answer.status, body=told, headers=kept)

    def uploaded(self, file_id: str) -> Sent:
        """The request that brought a file."""
        [sent] = [one for one in self.sent if one.method == "PUT" and one.path == self.places[file_id]]
        return sent

    def _note_places(self, document: Mapping[str, Any]) -> None:
        for file in document["data"]["files"]:
            self.places[file["file_id"]] = file["requests"][0]["url"].removeprefix(self.url).partition("?")[0]


@asynccontextmanager
async def recording(vendor: str) -> AsyncIterator[Recorder]:
    """A recorder before this vendor."""
    port = free_port()
    async with aiohttp.ClientSession(auto_decompress=True) as session:
        recorder = Recorder(f"http://127.0.0.1:{port}", vendor, session)
        app = web.Application(client_max_size=_MAX_BYTES)
        app.router.add_route("*", "/{path:.*}", recorder.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield recorder
        finally:
            await runner.cleanup()
