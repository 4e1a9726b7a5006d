"""What submitting and collecting share: one key's lane to the vendor."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from closet_chassis.batching import Batcher
from closet_chassis.postgres import is_unavailable
from closet_messaging.unit import Begin, Tx

from perfect_adapter.domain.quota import Budget, Grant, Wish
from perfect_adapter.store import ledger, renders
from perfect_adapter.store.renders import Render

log = structlog.get_logger(__name__)
T = TypeVar("T")

LEASE_S = 15.0
WRITE_AGAIN_S = 0.5

_UNREACHABLE_FIRST_S = 0.5
_UNREACHABLE_LONGEST_S = 20.0
_THROTTLED_FIRST = 1 / 60  # of the quota's window: what is over it stays over it for a while
_FAIRLY_SAME = (0.8, 1.2)


@dataclass(eq=False)
class KeyLane:
    """The lane of one API key, shared with every other replica through the database."""

    begin: Begin
    name: str
    budget: Budget

    async def charge(self, tx: Tx, wish: Wish) -> Grant:
        """Charge calls that are about to be made, as many as the lane has room for."""
        return await ledger.charge(tx.conn, self.name, self.budget, wish)

    async def renew(self, claimed: Sequence[Render]) -> None:
        """Keep what is in hand."""
        async with self.begin() as tx:
            await renders.renew(tx.conn, claimed, LEASE_S)

    async def adjust(self, tx: Tx, *, throttled: bool, unreachable: bool, answered: bool) -> None:
        """Slow the lane down, for every replica, or let it go on, after what has just been learnt."""
        jitter = random.uniform(*_FAIRLY_SAME)  # noqa: S311 jitter is no secret
        if throttled:
            window_s = self.budget.window_s
            await ledger.pause(tx.conn, self.name, window_s * _THROTTLED_FIRST, window_s, jitter)
        elif unreachable:
            await ledger.pause(tx.conn, self.name, _UNREACHABLE_FIRST_S, _UNREACHABLE_LONGEST_S, jitter)
        elif answered:
            await ledger.forgive(tx.conn, self.name)


async def write_down(written: Batcher[T, None], outcome: T) -> None:
    """Have `outcome` written, however long the database is away: what the vendor said is known here and nowhere else.

    A lease that was lost meanwhile is the writer's business; so is an outcome that had been written after all.
    """
    while True:
        try:
            return await written.submit(outcome)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("outcome_not_written", error=type(error).__name__)
            await asyncio.sleep(WRITE_AGAIN_S)
