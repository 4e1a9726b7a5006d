"""The customer's side of the vendor: pictures to fetch, an ear for webhooks, a client."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from closet_devstack import samples
from closet_devstack.servers.perfect import PerfectServer
from closet_devstack.testing import eventually
from PIL import Image, ImageDraw
from yarl import URL

TRYON = "/s2s/v2.0/task/cloth-v4"
TEXT = "/s2s/v2.0/task/text-to-image/youcam"
EDIT = "/s2s/v2.0/task/image-to-image/youcam"
REPLACE = "/s2s/v2.0/task/obj-replace"
HAIR = "/s2s/v2.1/task/hair-transfer"
SKIN = "/s2s/v2.1/task/skin-analysis"
SKIN_V20 = "/s2s/v2.0/task/skin-analysis"

CREDIT = "/s2s/v1.0/client/credit"
HISTORY = f"{CREDIT}/history"
MODEL = "youcam-image-v2"


def picture(width: int, height: int, kind: str = "JPEG") -> bytes:
    """A person of this size."""
    out = io.BytesIO()
    samples.person_picture(width, height).save(out, kind)
    return out.getvalue()


def mask(width: int, height: int) -> bytes:
    """White in its upper half, black in its lower."""
    out, image = io.BytesIO(), Image.new("L", (width, height))
    ImageDraw.Draw(image).rectangle((0, 0, width, height // 2 - 1), 255)
    image.save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.body))


class World:
    """What the vendor sees of the world, and what the world sees of the vendor."""

    def __init__(self, server: PerfectServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.url = ""
        self.pictures = {
            "person": samples.person_jpeg(),
            "garment": samples.garment_png(),
            "blank": samples.blank_jpeg(),
            "face": picture(720, 960),
        }
        self.heard: list[tuple[dict[str, str], bytes]] = []

    async def serve(self, request: web.Request) -> web.Response:
        found = self.pictures.get(request.match_info["name"])
        return web.Response(body=found) if found else web.Response(status=403)

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append((dict(request.headers), await request.read()))
        return web.Response()

    def at(self, name: str) -> str:
        return f"{self.url}/{name}"

    def order(self, person: str = "person", **changes: object) -> dict[str, object]:
        urls = {"src_file_url": self.at(person), "ref_file_url": self.at("garment")}
        return {**urls, "garment_category": "full_body", **changes}

    async def call(self, method: str, path: str, body: object = None, key: str | None = None, **headers: str) -> Got:
        """One call of the API; a header's name is written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {key or self.server.api_key}"
        url = URL(self.server.url + path, encoded=True)
        async with self.session.request(method, url, json=body, headers=named) as response:
            return Got(response.status, response.content_type, await response.read(), response.headers)

    async def ask(
        self, method: str, path: str, body: object = None, key: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        got = await self.call(method, path, body, key)
        assert int(got.headers["x-request-id"]) > 2**53
        return got.status, got.json

    async def begin(self, path: str, body: object, **headers: str) -> str:
        """Create any task."""
        got = await self.call("POST", path, body, **headers)
        assert got.status == 200, got.body
        task_id = got.json["data"]["task_id"]
        return str(task_id)

    async def create(self, path: str = TRYON, **changes: object) -> str:
        """Create a try-on."""
        return await self.begin(path, self.order(**changes))  # type: ignore[arg-type]

    async def look(self, task_id: str, path: str = TRYON) -> dict[str, Any]:
        status, answer = await self.ask("GET", f"{path}/{quote(task_id, safe='')}")
        assert status == 200, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def ended(self, task_id: str, path: str = TRYON) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            data = await self.look(task_id, path)
            return data if data["task_status"] != "running" else None

        return await eventually(look)

    async def made(self, path: str, body: object, **headers: str) -> dict[str, Any]:
        """The results of a task that succeeds."""
        data = await self.ended(await self.begin(path, body, **headers), path)
        assert data["task_status"] == "success", data
        results: dict[str, Any] = data["results"]
        return results

    async def get(self, url: str, *, redirects: bool = True, **headers: str) -> Got:
        """A download, without a key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(URL(url, encoded=True), allow_redirects=redirects, headers=named) as response:
            return Got(response.status, response.content_type, await response.read(), response.headers)
