"""Clients that wait for a job, and the bell that wakes them on every replica."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog
from closet_chassis.worker import Wake

log = structlog.get_logger(__name__)


class Waiters:
    """Those who wait for news of a job on this replica."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Wake]] = {}
        self.closed = False

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Wake]:
        """Something to wait on. Look after entering, then wait, then look again: nothing is missed in between."""
        wake = Wake()
        watchers = self._waiting.setdefault(job_id, set())
        watchers.add(wake)
        try:
            yield wake
        finally:
            watchers.discard(wake)
            if not watchers:
                self._waiting.pop(job_id, None)

    def wake(self, job_ids: Iterable[str]) -> None:
        """There is news of these jobs."""
        for job_id in job_ids:
            for wake in self._waiting.get(job_id, ()):
                wake.set()

    def close(self) -> None:
        """The process stops: nobody is to wait any longer."""
        self.closed = True
        self.wake(list(self._waiting))


class Doorbell:
    """Tells the replicas which jobs have changed: one ring for all that was committed since the last."""

    def __init__(self, waiters: Waiters) -> None:
        self._waiters = waiters
        self._changed: set[str] = set()
        self._wake = Wake()

    def changed(self, job_id: str) -> None:
        """A job's change is committed."""
        self._changed.add(job_id)
        self._wake.set()

    def heard(self, payload: bytes) -> None:
        """A replica, maybe this one, rings."""
        self._waiters.wake(payload.decode().split())

    async def run(self, ring: Callable[[bytes], Awaitable[None]]) -> None:
        """Ring whenever something has changed, for ever."""
        while True:
            await self._wake.wait(3600)
            job_ids, self._changed = self._changed, set()
            self._waiters.wake(job_ids)
            await _ring(ring, " ".join(job_ids).encode())


async def _ring(ring: Callable[[bytes], Awaitable[None]], payload: bytes) -> None:
    if not payload:
        return
    try:
        await ring(payload)
    except Exception as error:  # noqa: BLE001  a bell may be lost, whatever the reason: who waits also looks
        log.warning("bell_lost", error=type(error).__name__)
