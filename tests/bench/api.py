"""The client API, as a lean client speaks it."""

from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aiohttp
import orjson
from closet_devstack import samples

from tests.bench.plan import Plan

_JSON = "application/json"


class Refused(Exception):
    """Another answer than the one that was hoped for."""


class Api:
    """One user's session at the gateway; every call opens a connection if none is idle."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._base = f"{plan.gateway}/api"
        self._headers = {"Content-Type": _JSON}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )
        self._headers["Authorization"] = f"Bearer {self._plan.api_key}"
        tokens = await self._ask("POST", "/auth/token", {"userId": self._plan.user})
        self._headers["Authorization"] = f"Bearer {tokens['accessToken']}"
        if self._plan.inputs is None:
            self._pictures = (samples.person_jpeg(), "image/jpeg"), (samples.garment_png(), "image/png")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def inputs(self) -> tuple[str, str]:
        """Keys of a person's photo and a garment: fresh ones, unless the plan names some."""
        if self._plan.inputs is not None:
            return self._plan.inputs
        person, garment = [await self._upload(data, content_type) for data, content_type in self._pictures]
        return person, garment

    async def try_on(self, inputs: tuple[str, str]) -> str:
        """The id of a new job."""
        person, garment = inputs
        asked = {"personKey": person, "itemKey": garment}
        created = await self._ask("POST", "/gen/tryon", asked, {"Idempotency-Key": uuid4().hex})
        return str(created["jobId"])

    async def is_completed(self, job_id: str) -> bool:
        """What the gateway shows a client."""
        job = await self._ask("GET", f"/gen/job/{job_id}")
        return bool(job["status"] == "completed")

    async def _upload(self, data: bytes, content_type: str) -> str:
        ticket = await self._ask(
            "POST", "/gen/upload-url", {"filename": "picture", "contentType": content_type, "size": len(data)}
        )
        async with self._session.put(ticket["uploadUrl"], data=data, headers=ticket["headers"]) as response:
            if not response.ok:
                raise Refused(f"upload: {response.status}")
        return str(ticket["key"])

    async def _ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        async with self._session.request(
            method,
            self._base + path,
            data=None if body is None else orjson.dumps(body),
            headers={**self._headers, **(headers or {})},
        ) as response:
            answer = await response.read()
            if not response.ok:
                raise Refused(f"{method} {path}: {response.status} {answer[:200]!r}")
            return orjson.loads(answer)
