"""perfect-adapter that is killed at one step of its work: `CRASH_AT` names the step, `CRASH_ON` the how manieth time.

With `CRASH_SIGNAL=SIGSTOP` it is stopped there instead, until somebody lets it go on.

The step is chosen from outside the product: its own code knows nothing of crashes.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from closet_chassis.lifecycle import run
from closet_contracts.ownership import Service
from closet_storage.objects import ObjectStore
from perfect_adapter.ambiguous import resolver
from perfect_adapter.app import build
from perfect_adapter.renders.collect import Collector
from perfect_adapter.renders.results import ResultStorage
from perfect_adapter.renders.submit import Submitter
from perfect_adapter.settings import Settings
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.transport import LeasedBody

Method = Callable[..., Awaitable[Any]]

_IN_FLIGHT_S = 0.02  # the sandbox takes longer than this to answer, and less to receive


class Crash:
    """Ends the process, without a word, at the right time; or stops it."""

    def __init__(self, on: int, with_signal: signal.Signals = signal.SIGKILL) -> None:
        self._left = on
        self._signal = with_signal

    def now(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._signal)


def before(crash: Crash, method: Method) -> Method:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        crash.now()
        return await method(*args, **kwargs)

    return wrapped


def after(crash: Crash, method: Method) -> Method:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = await method(*args, **kwargs)
        crash.now()
        return result

    return wrapped


def during(crash: Crash, method: Method) -> Method:
    """The request is on its way, its answer is not there."""

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        call = asyncio.ensure_future(method(*args, **kwargs))
        await asyncio.wait([call], timeout=_IN_FLIGHT_S)
        crash.now()
        return await call

    return wrapped


STEPS: dict[str, tuple[type, str, Callable[[Crash, Method], Method]]] = {
    "intent_written": (Submitter, "work", before),
    "confirmed": (VendorClient, "create", before),
    "connected": (LeasedBody, "write_with_length", before),
    "request_sent": (VendorClient, "create", during),
    "answer_received": (VendorClient, "create", after),
    "task_id_stored": (Submitter, "_write", after),
    "poll_sent": (VendorClient, "get_task", during),
    "result_downloaded": (ResultStorage, "_pictures", before),
    "result_stored": (ObjectStore, "put", after),
    "event_emitted": (Collector, "_write", after),
}
"""Step -> what is wrapped, and how."""


def arm(step: str, on: int, with_signal: str) -> None:
    """Have this process die at that step."""
    owner, name, wrap = STEPS[step]
    setattr(owner, name, wrap(Crash(on, signal.Signals[with_signal]), getattr(owner, name)))


if __name__ == "__main__":
    resolver.MAX_REPEATS = 1000  # an order that is lost four times over is a bad one, but not where everything dies
    if "CRASH_AT" in os.environ:
        arm(os.environ["CRASH_AT"], int(os.environ["CRASH_ON"]), os.environ.get("CRASH_SIGNAL", "SIGKILL"))
    sys.exit(run(Service.PERFECT_ADAPTER, Settings, build))
