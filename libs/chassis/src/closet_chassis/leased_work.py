"""Lanes: work that a third party does, claimed from the database and done a bounded number of pieces at once."""

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
    """What a lane may work on now.

    Args:
        items: the pieces that were claimed.
        wait_s: when to look again at the latest, if that is known.
        more: whether there may be work that was held back although there was room: the lane looks again when a piece
            is done.
    """

    items: Sequence[T]
    wait_s: float | None = None
    more: bool = False


@dataclass(eq=False)
class LeasedWorker(Generic[T]):
    """Claims work whenever there is room for it, and does the pieces side by side.

    Whether a piece is done is for the database to know: its row was claimed with a lease, which is renewed while the
    piece is in hand; `work` records the outcome if the lease still holds, and a piece that was dropped half-way
    becomes due again when its lease ends.

    Args:
        name: for logs.
        claim: takes up to so many due pieces, in a transaction of its own.
        work: does one piece, outside any transaction, and records what came of it.
        renew: prolongs the leases of the pieces in hand.
        width: how many pieces are in hand at most.
        wake: set when there may be something to claim.
        idle_s: look by itself so often: for what another replica left, and for retries that have become due.
        renew_every_s: well below the time that a lease lasts.
        finish_s: how long pieces in hand may go on when the lane is cancelled.
    """

    name: str
    claim: Callable[[int], Awaitable[Claimed[T]]]
    work: Callable[[T], Awaitable[None]]
    renew: Callable[[Sequence[T]], Awaitable[None]]
    width: int
    wake: Wake = field(default_factory=Wake)
    idle_s: float = 2.0
    renew_every_s: float = 5.0
    finish_s: float = 5.0
    _in_hand: dict[asyncio.Task[None], T] = field(default_factory=dict, init=False)
    _more: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Work until cancelled; then claim no more, and finish what is in hand."""
        renewing = asyncio.create_task(self._keep_leases(), name=f"{self.name} leases")
        try:
            await work_loop(self._step, self.wake, self.idle_s)
        finally:
            await self._finish()
            renewing.cancel()
            await asyncio.wait([renewing])

    async def _step(self) -> bool | float:
        self._more = True  # for all we know; so whichever piece ends next sets the wake
        free = self.width - len(self._in_hand)
        if free <= 0:
            return False
        claimed = await self.claim(free)
        for item in claimed.items:
            task = asyncio.create_task(self._do(item), name=self.name)
            self._in_hand[task] = item
            task.add_done_callback(self._done)
        self._more = claimed.more or len(claimed.items) >= free
        return False if claimed.wait_s is None else claimed.wait_s

    async def _do(self, item: T) -> None:
        try:
            await self.work(item)
        except Exception:  # its lease will end, and the piece be due again
            log.exception("work_failed", lane=self.name)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._in_hand[task]
        if self._more:
            self.wake.set()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self.renew_every_s)
            if not self._in_hand:
                continue
            try:
                await self.renew(list(self._in_hand.values()))
            except Exception:  # leases outlast a missed renewal or two
                log.exception("renewal_failed", lane=self.name)

    async def _finish(self) -> None:
        if not self._in_hand:
            return
        _, late = await asyncio.wait(self._in_hand, timeout=self.finish_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
