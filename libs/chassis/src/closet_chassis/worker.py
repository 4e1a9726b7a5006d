"""Work found in the database: done at once when woken, looked for now and then anyway."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

log = structlog.get_logger(__name__)

Step = Callable[[], Awaitable[bool | float]]

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 5.0  # after the longest outage, work goes on within this time
GRACE_S = 5.0


class Wake:
    """An event that wakes one loop; waking it while it is busy makes it look once more."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """There may be something to do. Meant for after a commit."""
        self._event.set()

    def clear(self) -> None:
        """Forget what was said so far: about to look."""
        self._event.clear()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 waking by time is what it is for
        """Wait until woken, or for `timeout` seconds. Was it woken?"""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._event.wait()
        woken = self._event.is_set()
        self._event.clear()
        return woken


async def work_loop(step: Step, wake: Wake, idle_s: float, *, grace_s: float = GRACE_S) -> None:
    """Run `step` over and over, for ever.

    `step` answers True if it did something (it runs again at once), False if there was nothing (it runs again when
    woken, or after `idle_s` seconds), or in how many seconds something is due (the same, if that is sooner).

    An error is logged and the step tried again, later each time. Cancelling the loop lets a step in progress finish,
    for `grace_s` seconds; then it is cancelled too.
    """
    failures = 0
    while True:
        wake.clear()
        try:
            result = await _finish(step, grace_s)
        except Exception:
            failures += 1
            log.exception("work_failed", failures=failures)
            await asyncio.sleep(_retry_delay(failures))
            continue
        failures = 0
        if result is True:
            continue
        await wake.wait(idle_s if result is False else min(result, idle_s))


async def _finish(step: Step, grace_s: float) -> bool | float:
    task = asyncio.ensure_future(step())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([task], timeout=grace_s)
        finally:
            task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, Exception):
            log.exception("work_failed", exc_info=outcome)
        raise


def _retry_delay(failures: int) -> float:
    delay = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures - 1, 10))
    return delay * random.uniform(0.75, 1.25)  # noqa: S311 jitter is no secret
