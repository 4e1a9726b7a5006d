"""Leased work: items claimed from the database with a lease, worked on by a third party, a bounded number at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from closet_chassis.worker import Wake, work_loop

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Claimed(Generic[T]):
    """Items that were claimed.

    Args:
        items: the claimed items.
        wait_s: seconds until the next claim at the latest, if known.
        more: whether there may be work that was held back although there was capacity: the worker claims again when an
            item is done.
    """

    items: Sequence[T]
    wait_s: float | None = None
    more: bool = False


@dataclass(eq=False)
class LeasedWorker(Generic[T]):
    """Claims items whenever it has capacity, and works on them side by side.

    The database knows whether an item is done: its row was claimed with a lease, which is renewed while the item is
    worked on; `work` records the outcome if the lease still holds, and an item that was dropped half-way becomes due
    again when its lease ends.

    Args:
        name: for logs.
        claim: claims up to so many due items, in a transaction of its own.
        work: works on one item, outside any transaction, and records the outcome.
        renew: prolongs the leases of the items in progress.
        concurrency: the most items in progress.
        wake: set when there may be something to claim.
        idle_s: seconds after which it claims unwoken: what another replica left, and retries that have become due.
        renew_every_s: well below the duration of a lease.
        finish_s: seconds that items in progress may take when the worker is cancelled.
    """

    name: str
    claim: Callable[[int], Awaitable[Claimed[T]]]
    work: Callable[[T], Awaitable[None]]
    renew: Callable[[Sequence[T]], Awaitable[None]]
    concurrency: int
    wake: Wake = field(default_factory=Wake)
    idle_s: float = 2.0
    renew_every_s: float = 5.0
    finish_s: float = 5.0
    _in_progress: dict[asyncio.Task[None], T] = field(default_factory=dict, init=False)
    _more: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Work until cancelled; then claim no more, and finish what is in progress."""
        renewing = asyncio.create_task(self._keep_leases(), name=f"{self.name} leases")
        try:
            await work_loop(self._step, self.wake, self.idle_s)
        finally:
            await self._finish()
            renewing.cancel()
            await asyncio.wait([renewing])

    async def _step(self) -> bool | float:
        self._more = True  # unknown yet; so whichever item ends next sets the wake
        free = self.concurrency - len(self._in_progress)
        if free <= 0:
            return False
        claimed = await self.claim(free)
        for item in claimed.items:
            task = asyncio.create_task(self._do(item), name=self.name)
            self._in_progress[task] = item
            task.add_done_callback(self._done)
        self._more = claimed.more or len(claimed.items) >= free
        return False if claimed.wait_s is None else claimed.wait_s

    async def _do(self, item: T) -> None:
        try:
            await self.work(item)
        except Exception:  # its lease will end, and the item be due again
            log.exception("work_failed", worker=self.name)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._in_progress[task]
        if self._more:
            self.wake.set()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self.renew_every_s)
            if not self._in_progress:
                continue
            try:
                await self.renew(list(self._in_progress.values()))
            except Exception:  # leases outlast a missed renewal or two
                log.exception("renewal_failed", worker=self.name)

    async def _finish(self) -> None:
        if not self._in_progress:
            return
        _, late = await asyncio.wait(self._in_progress, timeout=self.finish_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
