"""Which calls are made again, how often, and after how long. Only calls that are safe to repeat come here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from closet_client.errors import ApiProblem, Unreachable

T = TypeVar("T")

# 504 is a connection that died behind a proxy: as unknown, and with an Idempotency-Key as safe, as one that died here.
_PASSING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class RetryPolicy:
    """Bounds of patience. A `Retry-After` beyond `longest_wait_s` is the caller's decision, not ours."""

    attempts: int = 7
    first_wait_s: float = 0.2
    longest_wait_s: float = 15.0
    absence_s: float = 300.0
    """How long nobody may answer while a job is followed: a gateway that restarts is no reason to leave a paid job."""


async def repeat(call: Callable[[], Awaitable[T]], policy: RetryPolicy, replicas: int) -> T:
    """What `call` returns, tried again while the failure may pass; another replica is tried without waiting.

    Raises:
        Unreachable: the last attempt got no answer.
        ApiProblem: the last attempt's answer, or the first that another attempt cannot change.
    """

    async def attempt() -> T:  # tenacity awaits only what was declared async
        return await call()

    backoff = wait_random_exponential(policy.first_wait_s, policy.longest_wait_s)

    def wait(state: RetryCallState) -> float:
        named = _retry_after(state)
        if named is not None:
            return named
        return 0.0 if state.attempt_number < replicas else backoff(state)

    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: may_pass(error, policy)),
        stop=stop_after_attempt(policy.attempts),
        wait=wait,
        reraise=True,
    )
    return await retrying(attempt)


def is_absence(error: BaseException) -> bool:
    """Whether it says that nobody is there to answer now, or that nobody has the time."""
    return isinstance(error, Unreachable) or (isinstance(error, ApiProblem) and error.status in _PASSING)


def may_pass(error: BaseException, policy: RetryPolicy) -> bool:
    """Whether the same call may succeed a little later."""
    if isinstance(error, ApiProblem):
        return error.status in _PASSING and (error.retry_after or 0) <= policy.longest_wait_s
    return isinstance(error, Unreachable)


def _retry_after(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, ApiProblem) else None
