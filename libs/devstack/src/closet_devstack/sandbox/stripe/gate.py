"""What every call goes through: the key, faults, and the keys by which a repetition is known."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

from closet_devstack.sandbox.stripe.errors import StripeError, answer
from closet_devstack.sandbox.stripe.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SERVER_ERROR = 500


def gate(world: World) -> Middleware:
    """The middleware of the API; the control's own paths pass."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_sandbox/"):
            return await handler(request)
        world.calls[f"{request.method} {request.path}"] += 1
        await asyncio.sleep(world.settings.answer_ms / 1000)
        try:
            return await _admit(world, request, handler)
        except StripeError as error:
            return answer(error.body, error.status)
        except web.HTTPNotFound:
            message = f"Unrecognized request URL ({request.method}: {request.path})."
            return answer(StripeError(404, "invalid_request_error", message).body, 404)

    return middleware


async def _admit(world: World, request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.headers.get("Authorization") != f"Bearer {world.settings.api_key}":
        raise StripeError(401, "invalid_request_error", "Invalid API Key provided")
    fault = world.fault_for(request.path)
    if fault == "rate_limited":
        raise StripeError(429, "invalid_request_error", "Too many requests", "rate_limit")
    if fault == "server_error":
        raise StripeError(500, "api_error", "Something went wrong")
    if fault == "no_answer":
        return _break(request)
    request["declined"] = fault == "card_declined"
    response = await _once(world, request, handler)
    return _break(request) if fault == "lost_answer" else response


def _break(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _once(world: World, request: web.Request, handler: Handler) -> web.StreamResponse:
    """The same key and body: the same answer, also if it was a refusal. Another body: refused."""
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or not key:
        return await handler(request)
    asked = hashlib.sha256(request.path.encode() + b"\n" + await request.read()).digest()
    if key in world.answers:
        before, status, body = world.answers[key]
        if before != asked:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
            )
            raise StripeError(400, "idempotency_error", message)
        replayed = web.Response(status=status, body=body, content_type="application/json")
        replayed.headers["Idempotent-Replayed"] = "true"
        return replayed
    try:
        response = await handler(request)
    except StripeError as error:
        response = answer(error.body, error.status)
    if isinstance(response, web.Response) and response.status < _SERVER_ERROR:
        world.answers[key] = asked, response.status, bytes(response.body or orjson.dumps({}))  # type: ignore[arg-type]
    return response
