"""The fair queue: which render is submitted next. Pure.

Classes go in order: kiosk, interactive, batch. What has aged may take every second slot, so that nothing starves, and
yet a kiosk waits for one slot at most.
Inside a class tenants take turns by start-time fair queueing (Goyal, Vin and Cheng 1996), counted in the vendor's units
over their weights: an expensive task postpones its tenant's next turn for longer. Next is the tenant of the lowest
virtual time, so that a claim need not read them all.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from closet_contracts.generation import Priority

PRIORITY_RANKS = {Priority.KIOSK_LIVE: 0, Priority.INTERACTIVE: 1, Priority.BATCH: 2}
MOST_URGENT = 0

UNIT = 5040
"""Virtual time by which one vendor unit postpones the turn of a tenant of weight 1. Small weights divide it."""
NEWCOMER = 2 * UNIT
"""A queue that begins to fill starts behind those that were served a try-on just now."""


@dataclass(frozen=True, slots=True)
class TenantQueue:
    """One tenant's queue for one feature in one class (`rank`: the lower, the more urgent)."""

    rank: int
    feature: str
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRender:
    """A render in the queue; `rank` is its class, the lower the more urgent."""

    render_id: str
    tenant: str
    rank: int
    units: int
    age_s: float
    feature: str = ""

    @property
    def queue(self) -> TenantQueue:
        """Return the tenant's queue that it is in."""
        return TenantQueue(self.rank, self.feature, self.tenant)


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """The order of the queue.

    `aged_s`: the wait after which a render has aged. `weights`: by tenant, 1 by default. `cap`: in flight per tenant,
    0: any number.
    """

    aged_s: float
    weights: Mapping[str, int] = field(default_factory=dict)
    cap: int = 0


class Placement(Protocol):
    """Keys for the chosen renders: each assignment leaves less for the next."""

    def fits(self, feature: str, rank: int, units: int) -> bool:
        """Return whether a key can take it."""

    def assign(self, render_id: str, feature: str, rank: int, units: int) -> None:
        """Assign a key to it."""


@dataclass(slots=True, kw_only=True)
class FairQueue:
    """What was read of the queue: the first tenants' queues of each class and feature, and the first renders of each.

    Args:
        waiting: renders.
        turns: by tenant, in virtual time; the lowest is next.
        in_flight: how many tasks each tenant has at the vendor.
        slots: how many were served so far.
        time: the virtual time: the turn of the tenant that was served last.
        unread: (class, feature) of which there are more queues, with the turn of the last one that was read.
        unread_renders: queues in which there are more renders.
    """

    waiting: Sequence[QueuedRender]
    turns: dict[str, int]
    in_flight: Mapping[str, int]
    slots: int
    time: int = 0
    unread: Mapping[tuple[int, str], int] = field(default_factory=dict)
    unread_renders: Collection[TenantQueue] = ()
    _exhausted: set[TenantQueue] = field(default_factory=set, init=False)
    """Queues of which all renders that were read are chosen, while there are more."""

    def choose(self, count: int, policy: QueuePolicy, placement: Placement | None = None) -> list[QueuedRender]:
        """Return the next `count` renders that a key can take, in order, as far as what was read shows who is next.

        `turns`, `time` and `slots` are updated.
        """
        queue = sorted(self.waiting, key=lambda one: (one.rank, -one.age_s))
        flying = dict(self.in_flight)
        chosen: list[QueuedRender] = []
        while len(chosen) < count:
            allowed = [
                one
                for one in queue
                if (not policy.cap or flying.get(one.tenant, 0) < policy.cap)
                and (placement is None or placement.fits(one.feature, one.rank, one.units))
            ]
            one = self._next(allowed, policy)
            if one is None:
                break
            queue.remove(one)
            chosen.append(one)
            if placement is not None:
                placement.assign(one.render_id, one.feature, one.rank, one.units)
            flying[one.tenant] = flying.get(one.tenant, 0) + 1
            self._serve(one, policy)
            if one.queue in self.unread_renders and all(each.queue != one.queue for each in queue):
                self._exhausted.add(one.queue)
        return chosen

    def _next(self, queue: Sequence[QueuedRender], policy: QueuePolicy) -> QueuedRender | None:
        """Return the head of the tenant whose turn it is; None if that may be one that was not read."""
        if not queue:
            return None
        aged = [one for one in queue if one.age_s >= policy.aged_s] if self.slots % 2 else []
        if aged:
            return self._first(sorted(aged, key=lambda one: -one.age_s))
        urgent = [one for one in queue if one.rank == queue[0].rank]
        head = self._first(urgent)
        return (
            head if self.turns[head.tenant] <= min(self._read_until(urgent), default=self.turns[head.tenant]) else None
        )

    def _first(self, queue: Sequence[QueuedRender]) -> QueuedRender:
        heads: dict[str, QueuedRender] = {}
        for one in queue:
            heads.setdefault(one.tenant, one)
        return heads[min(heads, key=lambda tenant: (self.turns.setdefault(tenant, self.time), tenant))]

    def _read_until(self, queue: Sequence[QueuedRender]) -> Iterator[int]:
        """Yield the turns up to which it is known who is next."""
        yield from (self.unread[ring] for ring in {(one.rank, one.feature) for one in queue} & self.unread.keys())
        yield from (self.turns[used.tenant] for used in self._exhausted if used.rank == queue[0].rank)

    def _serve(self, one: QueuedRender, policy: QueuePolicy) -> None:
        """Serve one. A tenant that was held up starts from now: it does not catch up on what others used meanwhile."""
        self.time = max(self.time, self.turns[one.tenant])
        self.turns[one.tenant] = self.time + one.units * UNIT // policy.weights.get(one.tenant, 1)
        self.slots += 1
