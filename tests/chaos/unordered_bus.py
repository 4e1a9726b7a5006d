"""A bus at its worst: every event comes at least twice, late, and in whatever order the rng say.

The man in the middle between the outboxes and the handlers. Time is the bus's own: nothing waits, deliveries are made
in the order of the moments that they were given. Several replicas of a service handle theirs at once.
"""

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from closet_contracts.codec import decode
from closet_contracts.envelope import Event
from closet_contracts.ownership import Service
from closet_messaging.inbox import handle_batch
from closet_messaging.retries import BACKOFF_S

from tests.chaos.in_process import InProcessServices, NoRelay, Step

_TAKE = "UPDATE outbox SET published_at = now() WHERE published_at IS NULL RETURNING id, payload"
_VENDOR_PAUSE_S = 0.01


@dataclass(frozen=True)
class DeliveryPolicy:
    """How bad it is.

    Deliveries of each event, at least and at most; how late they may be; how many replicas each service has; how
    often its workers are there.
    """

    copies: tuple[int, int] = (2, 3)
    delay_s: float = 20.0
    replicas: int = 2
    diligence: float = 0.4


IN_ORDER = DeliveryPolicy(copies=(1, 1), delay_s=0.0, replicas=1, diligence=1.0)


@dataclass(order=True)
class Delivery:
    """One event on its way to one service."""

    at: float
    number: int
    service: Service = field(compare=False)
    event: Event[Any] = field(compare=False)
    attempt: int = field(default=1, compare=False)


@dataclass
class UnorderedBus:
    """Carries events between the services.

    `raised` counts what handlers raised, by the event's type and the error's; `dead` are the events that a service
    failed to handle as often as the bus would try.
    """

    services: InProcessServices
    rng: random.Random
    policy: DeliveryPolicy
    now: float = 0.0
    raised: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead: list[tuple[Service, Event[Any]]] = field(default_factory=list)
    _waiting: list[Delivery] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    async def settle(self, *, at_vendor: bool, until: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Deliver and work until there is nothing left to do, or `until`.

        Without `at_vendor` nothing is ordered there yet.
        """
        steps = [*self.services.before_vendor, *(self.services.at_vendor if at_vendor else ())]
        while until is None or not await until():
            await self._take_events()
            worked, *_ = await asyncio.gather(_any(self._some(steps)), *self._next_batches())
            if not worked and not self._waiting:
                if not await self._is_working(at_vendor=at_vendor) and not await self._take_events():
                    return
                await asyncio.sleep(_VENDOR_PAUSE_S)  # the vendor is a process of its own

    async def _take_events(self) -> int:
        """Whatever has been committed since, for everyone who subscribes to it."""
        events = [event for service in Service for event in await self._emitted(service)]
        for event in events:
            for service, handlers in self.services.handlers.items():
                if type(event.data) in handlers:
                    for _ in range(self.rng.randint(*self.policy.copies)):
                        self._send(Delivery(self.now + self._delay(), next(self._numbers), service, event))
        return len(events)

    async def _emitted(self, service: Service) -> list[Event[Any]]:
        rows = await self.services.pools[service].fetch(_TAKE)
        return [decode(row["payload"]) for row in sorted(rows, key=lambda row: row["id"])]

    def _some(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Workers are not always at hand, except when there is nothing else."""
        if not self._waiting:
            return steps
        return [step for step in steps if self.rng.random() < self.policy.diligence]

    def _delay(self) -> float:
        """Mostly short, sometimes long: so that neighbours change places, and some come after the end."""
        return self.policy.delay_s * self.rng.random() ** 3

    def _send(self, delivery: Delivery) -> None:
        heapq.heappush(self._waiting, delivery)

    def _next_batches(self) -> list[Any]:
        """What is due next, as many batches as there are replicas of each service."""
        if not self._waiting:
            return []
        self.now = max(self.now, self._waiting[0].at)
        batches: dict[tuple[Service, int], list[Delivery]] = {}
        for _ in range(self.rng.randint(1, 1 + len(self._waiting))):
            if not self._waiting or self._waiting[0].at > self.now + self.policy.delay_s / 20:
                break
            delivery = heapq.heappop(self._waiting)
            replica = self.rng.randrange(self.policy.replicas)
            batches.setdefault((delivery.service, replica), []).append(delivery)
        return [self._handle(service, batch) for (service, _), batch in batches.items()]

    async def _handle(self, service: Service, batch: Sequence[Delivery]) -> None:
        """As the consumer does: in one transaction, and if that fails, each in one of its own."""
        batch = sorted(batch, key=lambda one: (one.event.tenantid, one.event.correlationid))
        if await self._try(service, batch) is None:
            return
        for delivery in batch:
            if error := await self._try(service, [delivery]):
                self.raised[delivery.event.type, type(error).__name__] += 1
                self._again(delivery)

    async def _try(self, service: Service, batch: Sequence[Delivery]) -> Exception | None:
        pool, handlers = self.services.pools[service], self.services.handlers[service]
        try:
            await handle_batch(pool, NoRelay(service), handlers, [one.event for one in batch])
        except Exception as error:  # noqa: BLE001 whatever a handler raises
            return error
        return None

    def _again(self, delivery: Delivery) -> None:
        if delivery.attempt > len(BACKOFF_S):
            self.dead.append((delivery.service, delivery.event))
            return
        at = self.now + BACKOFF_S[delivery.attempt - 1]
        self._send(Delivery(at, next(self._numbers), delivery.service, delivery.event, delivery.attempt + 1))

    async def _is_working(self, *, at_vendor: bool) -> bool:
        """Is there anything that a worker has begun, or will begin by itself?"""
        checks = await self.services.pools[Service.UPLOAD_SIGNER].fetchval(
            "SELECT count(*) FROM uploads WHERE state = 'unchecked'"
        )
        renders = await self.services.pools[Service.PERFECT_ADAPTER].fetchval(
            "SELECT count(*) FROM renders WHERE state IN ('waiting', 'submitting', 'running')"
        )
        settling = await self.services.pools[Service.JOB_ORCHESTRATOR].fetchval(
            "SELECT count(*) FROM jobs WHERE phase = 'dispatched' AND settle_at IS NOT NULL"
        )
        return bool(checks or settling or (at_vendor and renders))


async def _any(steps: Sequence[Step]) -> bool:
    """Take each step, one after the other; did one have something to do?"""
    return any([await step() for step in steps])
