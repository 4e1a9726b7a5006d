"""What happens to every call of the API before and after it is carried out: faults, quota, the key, counting."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from closet_devstack.sandbox.perfect.answers import refusal
from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.faults import Faults
from closet_devstack.sandbox.perfect.world import World

Call = Callable[[web.Request, str], Awaitable[web.Response]]
"""A call of the API, made with this key."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_BEARER = "Bearer "


def guarded(world: World, operation: str, call: Call) -> Handler:
    """The call behind the gate, counted under its operation's name."""

    async def handle(request: web.Request) -> web.StreamResponse:
        world.calls[operation] += 1
        response = await _answered(world, operation, call, request)
        if response is None:
            return _cut(request)
        world.answers[response.status] += 1
        return response

    return handle


async def _answered(world: World, operation: str, call: Call, request: web.Request) -> web.Response | None:
    """The answer, or None when there shall be none."""
    faults = world.faults
    try:
        if faults.waiting and faults.take("cut", operation):
            return None
        key = _admitted(world, request)
        if faults.waiting:
            await _refuse_if_ordered(faults, operation, lambda: call(request, key))
        response = await call(request, key)
    except Refused as refused:
        response = refusal(refused)
    if delay_ms := world.settings.answer_ms + _slow_ms(faults, operation):
        await asyncio.sleep(delay_ms / 1000)
    if faults.waiting and faults.take("lost_answer", operation):
        return None
    return response


def _admitted(world: World, request: web.Request) -> str:
    """The caller's key.

    Raises:
        Refused: over the quota, or no key that is good.
    """
    settings = world.settings
    header = request.headers.get("Authorization", "")
    key = header.removeprefix(_BEARER) if header.startswith(_BEARER) else ""
    parties = (f"key {key}", f"address {request.remote}")
    if not world.quota.admit(parties, settings.quota_calls, settings.quota_window_s, world.now()):
        raise Refused(429)
    if key in settings.inactive_keys:
        raise Refused(401, "InactiveApiKey")
    if key not in settings.api_keys:
        raise Refused(401, "InvalidApiKey")
    return key


async def _refuse_if_ordered(faults: Faults, operation: str, carry_out: Callable[[], Awaitable[object]]) -> None:
    fault = faults.take("refuse", operation)
    if fault is None:
        return
    if fault.created:
        await carry_out()
    raise Refused(fault.status, fault.code)


def _slow_ms(faults: Faults, operation: str) -> int:
    fault = faults.take("slow_answer", operation) if faults.waiting else None
    return fault.ms if fault else 0


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
