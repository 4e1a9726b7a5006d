"""The HTTP side of a service: one application with tracing, problems, health and metrics built in."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any, TypeVar

import orjson
from aiohttp import web
from opentelemetry.trace import SpanKind
from prometheus_client import Histogram
from pydantic import BaseModel, ValidationError

from closet_chassis.metrics import CONTENT_TYPE, exposition
from closet_chassis.problems import PREPARED, Handler, Problem, invalid_request, problem_middleware
from closet_chassis.readiness import Readiness
from closet_chassis.telemetry import fail_span, span_from

M = TypeVar("M", bound=BaseModel)

UNTRACED = frozenset({"/livez", "/readyz", "/health", "/metrics"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Histogram(
    "http_request_duration_seconds",
    "Time to answer a request; streams are left out",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def make_http_app(service: str, readiness: Readiness, *, client_max_size: int = 1 << 20) -> web.Application:
    """An application that answers `/livez`, `/readyz`, `/health` (the same) and `/metrics`; add your routes to it.

    Args:
        service: its name, for logs and traces.
        readiness: what `/readyz` asks.
        client_max_size: the largest body taken, in bytes; larger ones are answered 413.
    """

    async def ready(_request: web.Request) -> web.Response:
        report = await readiness.report()
        return reply(report.as_json(), status=200 if report.ready else 503)

    async def live(_request: web.Request) -> web.Response:
        return reply({"status": "ok", "service": service})

    app = web.Application(middlewares=[_observe, problem_middleware], client_max_size=client_max_size)
    app.on_response_prepare.append(_mark_begun)
    app.router.add_get("/livez", live)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/health", ready)
    app.router.add_get("/metrics", _metrics)
    return app


async def read_model(request: web.Request, model: type[M]) -> M:
    """The JSON body of a request as `model`.

    Raises:
        Problem: 415 `unsupported_media_type`, 413 `body_too_large`, 400 `malformed_json`, 422 `invalid_request`.
    """
    if not (request.content_type == "application/json" or request.content_type.endswith("+json")):
        raise Problem(415, "unsupported_media_type", "The body has to be application/json.")
    body = await request.read()
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid" and not first["loc"]:
            raise Problem(400, "malformed_json", "The body is not JSON.") from error
        raise invalid_request(error) from error


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
