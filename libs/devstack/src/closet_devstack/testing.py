"""Helpers for tests that watch other processes."""
# ruff: noqa: ASYNC109 - a deadline for polling; what is asked must not be cancelled half-way

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(check: Callable[[], Awaitable[T | None]], timeout: float = ..., every: float = ...) -> T: ...
@overload
async def eventually(check: Callable[[], T | None], timeout: float = ..., every: float = ...) -> T: ...
async def eventually(check: Callable[[], Any], timeout: float = 30.0, every: float = 0.01) -> Any:
    """Call `check` until it returns something true and raises no AssertionError; return that.

    `timeout` is there for what never comes, on a busy machine too: how long something takes is no test's matter.

    Raises:
        AssertionError: not within `timeout` seconds; the last failure is its cause.
    """
    deadline = time.monotonic() + timeout
    failure: AssertionError | None = None
    while True:
        try:
            outcome = check()
            value = await outcome if inspect.isawaitable(outcome) else outcome
        except AssertionError as error:
            failure = error
        else:
            if value:
                return value
            failure = None
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {_source(check)}") from failure
        await asyncio.sleep(every)


def _source(check: object) -> str:
    try:
        return inspect.getsource(check).strip()  # type: ignore[arg-type]
    except (OSError, TypeError):
        return repr(check)
