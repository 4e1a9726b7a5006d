"""The desk: what a service's consumers bring while its last transaction runs is the next transaction."""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from itertools import chain
from typing import Any

from closet_chassis.postgres import Pool
from closet_contracts.envelope import Event

from closet_messaging.handling import Handlers, handle
from closet_messaging.metrics import BATCH
from closet_messaging.unit import Offer

Events = Sequence[Event[Any]]


class Desk:
    """Handles events of all streams that a service reads, one transaction at a time.

    Transactions side by side would mostly wait for each other: facts about one job come by several streams at nearly
    the same time, and each needs that job's row. Together they cost one commit.
    """

    def __init__(self, pool: Pool, relay: Offer, handlers: Handlers) -> None:
        self.pool = pool
        self.handlers = handlers
        self.suspects = asyncio.Lock()
        """Held by whoever handles a message that may end the process."""
        self._relay = relay
        self._waiting: list[tuple[Events, Future[None]]] = []
        self._brought = asyncio.Event()

    async def run(self) -> None:
        """Handle what is brought until cancelled."""
        while True:
            await self._brought.wait()
            self._brought.clear()
            brought, self._waiting = self._waiting, []
            await self._handle(brought)

    async def together(self, events: Events) -> None:
        """Have these handled with whatever else there is; events of one job keep their order.

        Raises:
            Exception: what `handle` raises for these events and no others.
        """
        done: Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, done))
        self._brought.set()
        await done

    async def alone(self, event: Event[Any]) -> None:
        """Handle this in a transaction of its own, whatever the others do; raises what `handle` raises."""
        await handle(self.pool, self._relay, self.handlers, [event])

    async def _handle(self, brought: Sequence[tuple[Events, Future[None]]]) -> None:
        events = sorted(chain.from_iterable(each for each, _ in brought), key=_lock_order)
        BATCH.observe(len(events))
        try:
            await handle(self.pool, self._relay, self.handlers, events)
        except Exception as error:  # noqa: BLE001 whatever a handler raises; whose fault it is shows one by one
            if len(brought) > 1:
                for each in brought:
                    await self._handle([each])
            else:
                _tell(brought[0][1], error)
        else:
            for _, done in brought:
                _tell(done, None)


def _lock_order(event: Event[Any]) -> tuple[str, str]:
    """All replicas handle events in this order, so that they lock rows in one order."""
    return event.tenantid, event.correlationid


def _tell(done: Future[None], error: Exception | None) -> None:
    if done.done():
        return  # whoever brought it has been cancelled
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
