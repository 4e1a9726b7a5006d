"""The vendor's clock: it may be put forward, and may run faster than everybody else's."""

import asyncio
import time
from contextlib import suppress


class Clock:
    """Who sleeps by it wakes earlier when it is put forward or made faster."""

    def __init__(self, speed: float = 1) -> None:
        self._changed = asyncio.Event()
        self._set(time.time(), speed)

    def now(self) -> float:
        """Epoch seconds."""
        return self._epoch + (time.monotonic() - self._since) * self._speed

    def advance(self, seconds: float) -> None:
        self._set(self.now() + seconds, self._speed)

    def run_at(self, speed: float) -> None:
        """From now on its seconds are this many to one of ours."""
        self._set(self.now(), speed)

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.now() + seconds)

    async def sleep_until(self, moment: float) -> None:
        while (left := moment - self.now()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left / self._speed):
                    await self._changed.wait()

    def _set(self, epoch: float, speed: float) -> None:
        self._epoch, self._since, self._speed = epoch, time.monotonic(), speed
        self._changed.set()
        self._changed = asyncio.Event()
