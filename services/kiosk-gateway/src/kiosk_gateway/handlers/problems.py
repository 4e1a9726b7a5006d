"""Problem responses for refusals, and for services that do not answer."""

from http import HTTPStatus
from typing import TypeVar

from closet_chassis.problems import Problem
from closet_contracts.model import Model
from closet_contracts.rpc import Request
from closet_messaging.bus import Bus
from closet_messaging.rpc import RpcFailed, RpcUnavailable

from kiosk_gateway.domain.refusals import UNAVAILABLE, Refusal

R = TypeVar("R", bound=Model)


def problem(refusal: Refusal, detail: str | None = None, *, retry_after_s: int | None = None) -> Problem:
    """Return the problem to raise; `detail` and `retry_after_s` replace those of the refusal."""
    wait_s = retry_after_s or refusal.retry_after_s
    headers = {"Retry-After": str(wait_s)} if wait_s else {}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Problem(refusal.status, refusal.code, detail or refusal.detail, headers=headers)


async def ask(bus: Bus, request: Request[R], *refusals: Refusal) -> R:
    """Ask another service. A failure whose code is that of one of `refusals` is raised as that problem.

    Raises:
        Problem: no answer, or one of `refusals`.
        RpcFailed: the service refused for another reason.
    """
    try:
        return await bus.ask(request)
    except RpcUnavailable as error:
        raise problem(UNAVAILABLE) from error
    except RpcFailed as error:
        refusal = next((each for each in refusals if each.code == error.code), None)
        if refusal is None:
            raise
        raise problem(refusal, error.detail) from error
