"""The HTTP side of a service: one application with tracing, problems, health and metrics built in."""

import asyncio
import json
import os
from collections.abc import Mapping
from time import perf_counter
from typing import Any, TypeVar

import orjson
from aiohttp import web
from opentelemetry.trace import SpanKind
from prometheus_client import Histogram
from pydantic import BaseModel, ValidationError

from closet_chassis.connections import Connection
from closet_chassis.metrics import CONTENT_TYPE, exposition
from closet_chassis.problems import PREPARED, Handler, Problem, invalid_request, problem_middleware
from closet_chassis.readiness import Readiness
from closet_chassis.telemetry import fail_span, span_from

M = TypeVar("M", bound=BaseModel)

BODY_TIMEOUT_S = web.AppKey("body_timeout_s", float)
_LINGERING_S = 5.0  # how long what nobody reads of a body is waited for, before the connection is closed
UNTRACED = frozenset({"/livez", "/readyz", "/health", "/metrics"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Histogram(
    "http_request_duration_seconds",
    "Time to answer a request; streams are left out",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def make_http_app(
    service: str,
    readiness: Readiness,
    *,
    client_max_size: int = 1 << 20,
    body_timeout_s: float = 30.0,
    idle_timeout_s: float = 75.0,
) -> web.Application:
    """An application for clients, that answers `/livez`, `/readyz` and `/health` (the same); add your routes to it.

    Args:
        service: its name, for logs and traces.
        readiness: what `/readyz` asks; clients learn which check fails, not why.
        client_max_size: the largest body taken, in bytes; larger ones are answered 413.
        body_timeout_s: how long a body may take to arrive; slower ones are answered 408.
        idle_timeout_s: how long a connection may idle between two requests.
    """
    app = _make_app(service, readiness, client_max_size, idle_timeout_s, tells_why=False)
    app[BODY_TIMEOUT_S] = body_timeout_s
    return app


def make_admin_app(service: str, readiness: Readiness) -> web.Application:
    """An application for operators and probes: `/livez` with the process id, `/readyz` with reasons, `/metrics`."""
    app = _make_app(service, readiness, client_max_size=0, idle_timeout_s=75.0, tells_why=True)
    app.router.add_get("/metrics", _metrics)
    return app


def _make_app(
    service: str, readiness: Readiness, client_max_size: int, idle_timeout_s: float, *, tells_why: bool
) -> web.Application:
    async def ready(_request: web.Request) -> web.Response:
        report = await readiness.report()
        return reply(report.as_json(tells_why=tells_why), status=200 if report.ready else 503)

    async def live(_request: web.Request) -> web.Response:
        return reply({"status": "ok", "service": service, **({"pid": os.getpid()} if tells_why else {})})

    app = web.Application(
        middlewares=[_observe, problem_middleware],
        client_max_size=client_max_size,
        handler_args={
            "auto_decompress": False,  # see read_body
            "keepalive_timeout": idle_timeout_s,
            "lingering_time": _LINGERING_S,
        },
    )
    app.on_response_prepare.append(_mark_begun)
    app.router.add_get("/livez", live)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/health", ready)
    return app


async def read_body(request: web.Request, max_bytes: int | None = None) -> bytes:
    """The body of a request, exactly as it came: the only way in which a body is read.

    Compressed bodies are not taken: none of ours is large, and unpacking a stranger's costs more than it saves.

    Args:
        request: whose body.
        max_bytes: the largest body taken, where that is less than the application's `client_max_size`.

    Raises:
        Problem: 415 `unsupported_content_encoding`, 413 `body_too_large`, 408 `request_timeout`.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Problem(
            415, "unsupported_content_encoding", "The body may not be compressed.", {"Accept-Encoding": "identity"}
        )
    if max_bytes is not None and (request.content_length or 0) > max_bytes:
        raise _too_large()
    try:
        async with asyncio.timeout(request.app[BODY_TIMEOUT_S]):
            body = await request.read()
    except TimeoutError:
        raise Problem(408, "request_timeout", "The body took too long to arrive.", {"Connection": "close"}) from None
    if max_bytes is not None and len(body) > max_bytes:
        raise _too_large()
    return body


def _too_large() -> Problem:
    return Problem(413, "body_too_large", "The body is larger than this address takes.")


async def read_model(request: web.Request, model: type[M]) -> M:
    """The JSON body of a request as `model`.

    Raises:
        Problem: 415 `unsupported_media_type`, 413 `body_too_large`, 400 `malformed_json`, 422 `invalid_request`.
    """
    if not (request.content_type == "application/json" or request.content_type.endswith("+json")):
        raise Problem(415, "unsupported_media_type", "The body has to be application/json.")
    body = await read_body(request)
    try:
        return model.model_validate_json(body, strict=True)  # 0 is no boolean and "7" no number
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid" and not first["loc"] and not _is_json(body):
            raise Problem(400, "malformed_json", "The body is not JSON.") from error
        raise invalid_request(error) from error


def _is_json(body: bytes) -> bool:
    """Whether it is JSON by its grammar, which allows for half a surrogate pair that stands for no character."""
    try:
        json.loads(body.decode())
    except (ValueError, RecursionError):
        return False
    return True


def read_query(request: web.Request, model: type[M]) -> M:
    """What follows the question mark of a request's address, as `model`.

    Raises:
        Problem: 422 `invalid_request`.
    """
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        raise invalid_request(error) from error


def reply(
    body: BaseModel | Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer."""
    content = body.model_dump_json(by_alias=True).encode() if isinstance(body, BaseModel) else orjson.dumps(body)
    return web.Response(status=status, body=content, content_type="application/json", headers=headers)


@web.middleware
async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    connection = Connection.of(request)
    if connection is None:
        return await _traced(request, handler)
    connection.begin_request()
    try:
        return await _traced(request, handler)
    finally:
        connection.end_request()


async def _traced(request: web.Request, handler: Handler) -> web.StreamResponse:
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else ""
    if route in UNTRACED:
        return await handler(request)
    method = request.method if request.method in METHODS else "_OTHER"
    started = perf_counter()
    with span_from(
        request.headers.get("traceparent"),
        f"{method} {route}".strip(),
        SpanKind.SERVER,
        {"http.request.method": method, "http.route": route},
    ) as span:
        response = await handler(request)
        span.set_attribute("http.response.status_code", response.status)
        if response.status >= 500:  # noqa: PLR2004 the server errors of HTTP
            fail_span(span, str(response.status))
    if response.content_type != "text/event-stream":
        REQUESTS.labels(method, route, response.status).observe(perf_counter() - started)
    return response


async def _mark_begun(request: web.Request, response: web.StreamResponse) -> None:
    request[PREPARED] = True
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.popall("Server", None)  # our versions are nobody's business


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE})
