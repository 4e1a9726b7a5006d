"""A small gateway and a small storage on real ports that speak the client's protocol and can be told to misbehave."""

import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import web
from closet_client import ApiKey, ClosetClient, RetryPolicy, Session

from .faults import Fault, problem

API_KEY = "ck_test"
JPEG = b"\xff\xd8\xff\xe0" + bytes(200_000)
QUICK = RetryPolicy(attempts=4, first_wait_s=0.001, longest_wait_s=2.0)


def entry(number: int, type_: str, status: str = "queued", service: str = "job-orchestrator") -> dict[str, Any]:
    """A line of a timeline."""
    return {
        "id": str(number),
        "type": f"closet.{type_}.v1",
        "service": service,
        "status": status,
        "progress": number * 10,
        "at": f"2026-01-02T03:04:05.{number:03}Z",
        "elapsedMs": number * 12,
    }


TIMELINE = [
    entry(1, "generation.requested", service="kiosk-gateway"),
    entry(2, "job.accepted"),
    entry(3, "job.dispatched"),
    entry(4, "render.started", "processing", "perfect-adapter"),
    entry(5, "job.completed", "completed"),
]


@dataclass
class FakeCloset:
    """What the replicas share, and what a test looks at."""

    urls: list[str] = field(default_factory=list)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    calls: list[tuple[str, int]] = field(default_factory=list)
    idempotency_keys: list[str] = field(default_factory=list)
    answers_by_key: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    timeline: list[dict[str, Any]] = field(default_factory=lambda: list(TIMELINE))
    failure: tuple[str, str] | None = None
    cut_streams_after: deque[int] = field(default_factory=deque)
    resumed_from: list[str] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    token_lives_s: float = 900
    grants: int = 0
    spent_refresh_tokens: set[str] = field(default_factory=set)
    consent: bool = False
    available: int = 495
    picture: bytes = JPEG
    more: list[tuple[str | None, str, bytes]] = field(default_factory=list)
    """Results after the picture: what each shows, its type, its bytes."""
    failures: list[dict[str, Any]] = field(default_factory=list)
    estimated: list[dict[str, Any]] = field(default_factory=list)

    def fail(self, route: str, *faults: Fault) -> None:
        """The next calls of `route` ("POST /gen/tryon") misbehave in this order."""
        self.faults[route].extend(faults)

    def count(self, route: str) -> int:
        return sum(called == route for called, _ in self.calls)

    def client(self, credentials: ApiKey | Session | None = None) -> ClosetClient:
        return ClosetClient(self.urls, credentials or ApiKey(API_KEY, "u-1"), retries=QUICK)

    def grant(self) -> dict[str, Any]:
        self.grants += 1
        self.tokens.add(f"token-{self.grants}")
        tokens = {"accessToken": f"token-{self.grants}", "refreshToken": f"refresh-{self.grants}"}
        return {**tokens, "expiresIn": self.token_lives_s}

    def once(self, request: web.Request, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        key = request.headers["Idempotency-Key"]
        self.idempotency_keys.append(key)
        if key not in self.answers_by_key:
            self.answers_by_key[key] = make()
        return self.answers_by_key[key]


CLOSET = web.AppKey("closet", FakeCloset)


@web.middleware
async def misbehave(request: web.Request, handler: Any) -> web.StreamResponse:
    closet = request.app[CLOSET]
    resource = request.match_info.route.resource
    route = f"{request.method} {resource.canonical.removeprefix('/api')}" if resource else "nowhere"
    local = request.transport.get_extra_info("sockname") if request.transport else ("", 0)
    closet.calls.append((route, local[1]))
    if faults := closet.faults[route]:
        return await faults.popleft()(request, handler)
    return cast("web.StreamResponse", await handler(request))


@web.middleware
async def authorise(request: web.Request, handler: Any) -> web.StreamResponse:
    free = request.path.startswith(("/api/auth/", "/storage/"))
    assert not (request.path.startswith("/storage/") and "Authorization" in request.headers)
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not free and token not in request.app[CLOSET].tokens:
        return problem(401, "invalid_token")
    return cast("web.StreamResponse", await handler(request))


async def mint(request: web.Request) -> web.Response:
    if request.headers.get("Authorization") != f"Bearer {API_KEY}":
        return problem(401, "invalid_api_key")
    assert await request.json() == {"userId": "u-1"}
    return web.json_response(request.app[CLOSET].grant())


async def refresh(request: web.Request) -> web.Response:
    closet, token = request.app[CLOSET], (await request.json())["refreshToken"]
    if token in closet.spent_refresh_tokens:
        return problem(401, "refresh_token_reused")
    closet.spent_refresh_tokens.add(token)
    return web.json_response(closet.grant())


async def consent(request: web.Request) -> web.Response:
    closet = request.app[CLOSET]
    if request.method == "POST":
        closet.consent = (await request.json())["given"]
    return web.json_response({"given": closet.consent, "currentVersion": "v2.0"})


async def upload_url(request: web.Request) -> web.Response:
    closet, asked = request.app[CLOSET], await request.json()
    closet.asked.append(asked)
    made = closet.once(request, lambda: {"uploadId": f"upl_{len(closet.answers_by_key)}"})
    key = f"tenant/t/uploads/{made['uploadId']}"
    headers = {"content-type": asked["contentType"], "content-length": str(asked["size"]), "x-amz-meta-bound": "1"}
    url = f"http://{request.host}/storage/{key}?signature={len(closet.calls)}"
    return web.json_response(
        {**made, "key": key, "uploadUrl": url, "method": "PUT", "headers": headers, "expiresIn": 600}
    )


async def store(request: web.Request) -> web.Response:
    bound = request.headers.get("x-amz-meta-bound") == "1" and "Transfer-Encoding" not in request.headers
    if not bound or len(request.headers.getall("Content-Length")) != 1:
        return web.Response(status=403)
    request.app[CLOSET].stored[request.match_info["key"]] = await request.read()
    return web.Response()


async def fetch(request: web.Request) -> web.Response:
    closet, number = request.app[CLOSET], int(request.query.get("n", "0"))
    if number:
        _, kind, data = closet.more[number - 1]
        return web.Response(body=data, content_type=kind)
    return web.Response(body=closet.picture)


async def estimate(request: web.Request) -> web.Response:
    available = request.app[CLOSET].available
    request.app[CLOSET].estimated.append(await request.json())
    quote = {"quoteId": "q", "credits": 5, "usd": "0.50", "description": "One try-on", "balance": available}
    return web.json_response({**quote, "expiresAt": "2026-01-02T03:14:05Z", "sufficient": available >= 5})


async def create(request: web.Request) -> web.Response:
    closet = request.app[CLOSET]
    closet.asked.append(await request.json())

    def make() -> dict[str, Any]:
        job_id = f"job_{len(closet.jobs):032x}"
        closet.jobs[job_id] = closet.timeline
        cost = {"credits": 5, "usd": "0.50"}
        return {"jobId": job_id, "status": "queued", "estimatedTime": 30, "cost": cost}

    return web.json_response(closet.once(request, make), status=202)


def job_body(closet: FakeCloset, job_id: str, host: str) -> dict[str, Any]:
    last = closet.jobs[job_id][-1]
    code, message = closet.failure or (None, None)
    done = last["status"] == "completed"
    size: dict[str, Any] = {"contentType": "image/jpeg", "width": 768, "height": 1024, "sizeBytes": len(closet.picture)}
    more: list[dict[str, Any]] = [
        {"label": label, "contentType": kind, "sizeBytes": len(data)} for label, kind, data in closet.more
    ]
    results = [{"assetId": f"{job_id}.{n}", **told} for n, told in enumerate([size, *more])]
    urls = [f"http://{host}/storage/result?signature=secret&n={n}" for n in range(len(results))]
    return {
        **dict.fromkeys(("createdAt", "updatedAt"), last["at"]),
        "id": job_id,
        "type": "tryon",
        "status": last["status"],
        "progress": last["progress"],
        "attempts": 1,
        "cost": {"credits": 5, "usd": "0.50"},
        "creditsCharged": 5 if done else None,
        "errorCode": code,
        "errorMessage": message,
        "results": results if done else [],
        "resultUrls": urls if done else [],
        "failures": closet.failures if done else [],
        "timeline": closet.jobs[job_id],
    }


async def get_job(request: web.Request) -> web.Response:
    closet, job_id = request.app[CLOSET], request.match_info["id"]
    if job_id not in closet.jobs:
        return problem(404, "job_not_found")
    etag = f'"{len(closet.jobs[job_id])}"'
    if request.headers.get("If-None-Match") == etag and request.query["wait"] != "0":
        # The long poll is held until there is news.
        closet.jobs[job_id] = TIMELINE[: len(closet.jobs[job_id]) + 1]
        etag = f'"{len(closet.jobs[job_id])}"'
    return web.json_response(job_body(closet, job_id, request.host), headers={"ETag": etag})


async def get_events(request: web.Request) -> web.StreamResponse:
    closet, job_id = request.app[CLOSET], request.match_info["id"]
    if job_id not in closet.jobs:
        return problem(404, "job_not_found")
    after = request.headers.get("Last-Event-ID", "")
    closet.resumed_from.append(after)
    news = [line for line in closet.jobs[job_id] if int(line["id"]) > int(after or 0)]
    if not news:
        return web.Response(status=204)
    cut = closet.cut_streams_after.popleft() if closet.cut_streams_after else None
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await stream.prepare(request)
    await stream.write(b"retry: 1000\n\n: still here\n\n")
    for line in news[:cut]:
        name = line["type"].removeprefix("closet.").removesuffix(".v1")
        await stream.write(f"id: {line['id']}\nevent: {name}\ndata: {json.dumps(line)}\n\n".encode())
    if cut is not None and request.transport is not None:
        await stream.write(b"id: 99\ndata: {half of an ev")
        request.transport.abort()
    return stream


async def list_jobs(request: web.Request) -> web.Response:
    closet = request.app[CLOSET]
    limit = int(request.query["limit"])
    start = int(request.query.get("cursor", "0"))
    shown = [job_body(closet, job_id, request.host) for job_id in list(closet.jobs)[start : start + limit]]
    more = str(start + limit) if start + limit < len(closet.jobs) else None
    return web.json_response({"jobs": shown, "nextCursor": more})


async def templates(request: web.Request) -> web.Response:
    assert request.query["type"] == "hairstyle"
    start, limit = int(request.query.get("cursor", "0")), int(request.query["limit"])
    shown = [{"templateId": f"hair-{n}", "title": f"Style {n}", "category": "short"} for n in range(5)][start:][:limit]
    return web.json_response({"templates": shown, "nextCursor": str(start + limit) if start + limit < 5 else None})


async def balance(request: web.Request) -> web.Response:
    available = request.app[CLOSET].available
    return web.json_response({"accountId": "tenant:t", "balance": available + 5, "held": 5, "available": available})


ROUTES = [
    web.post("/api/auth/token", mint),
    web.post("/api/auth/refresh", refresh),
    web.get("/api/consent", consent),
    web.post("/api/consent", consent),
    web.post("/api/gen/upload-url", upload_url),
    web.post("/api/gen/estimate", estimate),
    *(
        web.post(f"/api/gen/{kind}", create)
        for kind in ("tryon", "text2img", "edit", "hairstyle", "skin-analysis", "batch")
    ),
    web.get("/api/gen/templates", templates),
    web.get("/api/gen/job/{id}", get_job),
    web.get("/api/gen/job/{id}/events", get_events),
    web.get("/api/gen/jobs", list_jobs),
    web.get("/api/billing/balance", balance),
    web.put("/storage/{key:.+}", store),
    web.get("/storage/{key:.+}", fetch),
]
