"""The ways in which a server fails its clients."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Fault = Callable[[web.Request, Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[web.StreamResponse]]


def problem(status: int, code: str, **headers: str) -> web.Response:
    body = {"title": code, "status": status, "code": code, "detail": f"A sentence about {code}.", "traceId": "ab" * 16}
    return web.json_response(body, status=status, content_type="application/problem+json", headers=headers)


async def hangs_up(request: web.Request, _handler: Any) -> web.StreamResponse:
    """The connection ends before anything was done."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def loses_answer(request: web.Request, handler: Any) -> web.StreamResponse:
    """The work is done, and its answer is lost."""
    await handler(request)
    return await hangs_up(request, handler)


async def bad_gateway(_request: web.Request, _handler: Any) -> web.StreamResponse:
    """What a proxy says whose upstream is gone: no problem document."""
    return web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html")


async def unchanged(_request: web.Request, _handler: Any) -> web.StreamResponse:
    """What a long poll is answered in vain."""
    return web.Response(status=304)


def refuses(status: int, code: str = "passing", **headers: str) -> Fault:
    """A problem instead of the answer."""

    async def fault(_request: web.Request, _handler: Any) -> web.StreamResponse:
        return problem(status, code, **{name.replace("_", "-"): value for name, value in headers.items()})

    return fault
