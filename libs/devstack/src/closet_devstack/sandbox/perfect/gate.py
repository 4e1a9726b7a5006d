"""What happens to every call of the API before and after it is carried out: faults, quota, the key, counting."""

from collections.abc import Awaitable, Callable
from email.utils import formatdate

from aiohttp import web

from closet_devstack.sandbox.perfect.answers import refusal
from closet_devstack.sandbox.perfect.delivery import Sending, cut, send
from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.faults import STEERING_HEADER, Kind, Occasion
from closet_devstack.sandbox.perfect.quota import Limit
from closet_devstack.sandbox.perfect.settings import Settings
from closet_devstack.sandbox.perfect.tokens import looks_like_token
from closet_devstack.sandbox.perfect.world import World

Call = Callable[[web.Request, Occasion], Awaitable[web.Response]]
"""A call of the API that was let in."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EGRESS_HEADER = "X-Sandbox-Egress"
"""Names the address that a call is to be counted for, instead of the one that it comes from."""
_BEARER = "Bearer "


def guarded(world: World, operation: str, call: Call, feature: str | None = None, *, is_open: bool = False) -> Handler:
    """The call behind the gate, counted under its operation's name. An open one needs no key."""

    async def handle(request: web.Request) -> web.StreamResponse:
        world.calls[operation] += 1
        occasion = Occasion(operation, _key(world, request), feature)
        try:
            occasion = occasion.steered_by(request.headers.get(STEERING_HEADER, ""))
            response = await _answered(world, call, request, occasion, is_open=is_open)
        except Refused as refused:
            response = refusal(refused)
        if response is None:
            return cut(request)
        world.answers[response.status] += 1
        return await _delivered(world, request, response, occasion)

    return handle


async def _answered(
    world: World, call: Call, request: web.Request, occasion: Occasion, *, is_open: bool
) -> web.Response | None:
    """The answer, or None when there shall be none."""
    if world.faults.take("cut", occasion):
        return None
    try:
        _count(world, request, occasion.key)
        if not is_open:
            _check_key(world.settings, occasion.key)
        await _refuse_if_ordered(world, occasion, lambda: call(request, occasion))
        response = await call(request, occasion)
    except Refused as refused:
        response = refusal(refused)
    if delay_ms := world.settings.answer_ms + _ms(world, "slow_answer", occasion):
        await world.clock.sleep(delay_ms / 1000)
    return None if world.faults.take("lost_answer", occasion) else response


async def _delivered(
    world: World, request: web.Request, response: web.Response, occasion: Occasion
) -> web.StreamResponse:
    response.headers["Date"] = formatdate(world.now(), usegmt=True)
    if world.faults.take("wrong_type", occasion):
        response.content_type = "text/html"
    if trickle_ms := _ms(world, "slow_body", occasion):
        return await send(request, response, Sending(trickle_ms / 1000), world.clock)
    return response


def _count(world: World, request: web.Request, key: str) -> None:
    """Raises Refused when it is one too many."""
    settings = world.settings
    address = request.headers.get(EGRESS_HEADER) or request.remote
    per_address = settings.quota_calls if settings.quota_address_calls is None else settings.quota_address_calls
    limits = [
        Limit(f"key {key}", settings.quota_calls, settings.quota_window_s),
        Limit(f"address {address}", per_address, settings.quota_window_s),
        *(Limit(subject, settings.calls_per_second, 1.0) for subject in (f"key {key}", f"address {address}")),
    ]
    if not world.quota.admit(limits, world.now()):
        raise Refused(429)


def _check_key(settings: Settings, key: str) -> None:
    """Raises Refused when it is not good."""
    if looks_like_token(key):
        raise Refused(401, "InvalidAccessToken")
    if key in settings.inactive_keys:
        raise Refused(401, "InactiveApiKey")
    if key in settings.expired_keys:
        raise Refused(401, "ExpiredApiKey")
    if key not in settings.api_keys:
        raise Refused(401, "InvalidApiKey")


async def _refuse_if_ordered(world: World, occasion: Occasion, carry_out: Callable[[], Awaitable[object]]) -> None:
    as_envelope = world.faults.take("refuse", occasion)
    fault = as_envelope or world.faults.take("html_error", occasion)
    if fault is None:
        return
    if fault.created:
        await carry_out()
    raise Refused(fault.status, fault.code, as_page=as_envelope is None)


def _key(world: World, request: web.Request) -> str:
    header = request.headers.get("Authorization", "")
    return world.tokens.key_of(header.removeprefix(_BEARER), world.now()) if header.startswith(_BEARER) else ""


def _ms(world: World, kind: Kind, occasion: Occasion) -> int:
    fault = world.faults.take(kind, occasion)
    return fault.ms if fault else 0
