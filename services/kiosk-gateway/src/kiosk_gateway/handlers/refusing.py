"""From the rules' ways of saying no to answers."""

from http import HTTPStatus
from typing import TypeVar

from closet_chassis.problems import Problem
from closet_contracts.model import Model
from closet_contracts.rpc import Request
from closet_messaging.bus import Bus
from closet_messaging.rpc import RpcUnavailable

from kiosk_gateway.domain.refusals import UNAVAILABLE, Refusal

R = TypeVar("R", bound=Model)


def refuse(refusal: Refusal, detail: str | None = None, *, retry_after_s: int | None = None) -> Problem:
    """The problem to raise; `detail` and `retry_after_s` where there is more to say than the refusal itself does."""
    wait_s = retry_after_s or refusal.retry_after_s
    headers = {"Retry-After": str(wait_s)} if wait_s else {}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Problem(refusal.status, refusal.code, detail or refusal.sentence, headers=headers)


async def ask(bus: Bus, request: Request[R]) -> R:
    """Ask another service; where it is away, so is this.

    Raises:
        Problem: nobody answered.
        RpcFailed: the answerer refused.
    """
    try:
        return await bus.ask(request)
    except RpcUnavailable as error:
        raise refuse(UNAVAILABLE) from error
