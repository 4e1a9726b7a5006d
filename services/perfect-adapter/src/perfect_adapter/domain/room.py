"""The waiting room: which task is submitted next.

Classes go in order: who stands at a kiosk, then who waits at a screen, then batches. What has waited for long makes a
class of its own that may take every second slot, so that nothing starves, and yet a kiosk waits for one slot at most.
Inside a class tenants take turns by start-time fair queueing (Goyal, Vin and Cheng 1996), counted in the vendor's units
over their weights: a dear task puts its tenant's next turn off for longer. Who is next is then the lowest number among
the tenants, so that a claim need not know them all.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

UNIT = 5040
"""Of virtual time: what a unit of the vendor's puts off the turn of a tenant of weight 1. Small weights divide it."""
NEWCOMER = 2 * UNIT
"""A queue that begins to fill stands behind those that were served a try-on just now: at the end of the ring."""


@dataclass(frozen=True, slots=True)
class Queue:
    """What of one tenant waits for one feature in one class (`rank`: the lower, the more urgent)."""

    rank: int
    feature: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task in the waiting room; `rank` is its class, the lower the more urgent."""

    render_id: str
    tenant: str
    rank: int
    units: int
    age_s: float
    feature: str = ""

    @property
    def queue(self) -> Queue:
        """Where it stands."""
        return Queue(self.rank, self.feature, self.tenant)


@dataclass(frozen=True, slots=True)
class Rules:
    """`aged_s`: after how long a task counts as one that has waited for long. `cap`: in flight per tenant; 0: any."""

    aged_s: float
    weights: Mapping[str, int] = field(default_factory=dict)
    cap: int = 0


class Places(Protocol):
    """Where chosen tasks go to; each that is given one leaves less for the next."""

    def fits(self, feature: str, rank: int, units: int) -> bool:
        """Whether there is a place for it."""

    def give(self, render_id: str, feature: str, rank: int, units: int) -> None:
        """Give it one."""


@dataclass(slots=True)
class Room:
    """What was read of the room: the first queues of each class and feature, and the first tasks of each queue.

    Args:
        waiting: tasks.
        turns: by tenant, in virtual time; the lowest is next.
        in_flight: how many tasks each tenant has at the vendor.
        slots: how many were given out so far.
        time: the virtual time: the turn of whoever was served last.
        unread: (class, feature) of which there are more queues, with the turn of the last one that was read.
        unread_tasks: queues in which there are more tasks.
    """

    waiting: Sequence[Waiting]
    turns: dict[str, int]
    in_flight: Mapping[str, int]
    slots: int
    time: int = 0
    unread: Mapping[tuple[int, str], int] = field(default_factory=dict)
    unread_tasks: Collection[Queue] = ()
    _used_up: set[Queue] = field(default_factory=set, init=False)
    """Queues of which there are more tasks than were read, but no more of those that were read."""

    def choose(self, count: int, rules: Rules, places: Places | None = None) -> list[Waiting]:
        """The next so many for which there is a place, in order, as far as what was read tells who is next.

        `turns`, `time` and `slots` are as they stand after that.
        """
        queue = sorted(self.waiting, key=lambda one: (one.rank, -one.age_s))
        flying = dict(self.in_flight)
        chosen: list[Waiting] = []
        while len(chosen) < count:
            allowed = [
                one
                for one in queue
                if (not rules.cap or flying.get(one.tenant, 0) < rules.cap)
                and (places is None or places.fits(one.feature, one.rank, one.units))
            ]
            one = self._next(allowed, rules)
            if one is None:
                break
            queue.remove(one)
            chosen.append(one)
            if places is not None:
                places.give(one.render_id, one.feature, one.rank, one.units)
            flying[one.tenant] = flying.get(one.tenant, 0) + 1
            self._serve(one, rules)
            if one.queue in self.unread_tasks and all(each.queue != one.queue for each in queue):
                self._used_up.add(one.queue)
        return chosen

    def _next(self, queue: Sequence[Waiting], rules: Rules) -> Waiting | None:
        """The head of the tenant whose turn it is; None if that may be somebody who was not read."""
        if not queue:
            return None
        aged = [one for one in queue if one.age_s >= rules.aged_s] if self.slots % 2 else []
        if aged:
            return self._first(sorted(aged, key=lambda one: -one.age_s))
        urgent = [one for one in queue if one.rank == queue[0].rank]
        head = self._first(urgent)
        return head if self.turns[head.tenant] <= min(self._ends_of(urgent), default=self.turns[head.tenant]) else None

    def _first(self, queue: Sequence[Waiting]) -> Waiting:
        heads: dict[str, Waiting] = {}
        for one in queue:
            heads.setdefault(one.tenant, one)
        return heads[min(heads, key=lambda tenant: (self.turns.setdefault(tenant, self.time), tenant))]

    def _ends_of(self, queue: Sequence[Waiting]) -> Iterator[int]:
        """Up to which turn it is known who is next."""
        yield from (self.unread[ring] for ring in {(one.rank, one.feature) for one in queue} & self.unread.keys())
        yield from (self.turns[used.tenant] for used in self._used_up if used.rank == queue[0].rank)

    def _serve(self, one: Waiting, rules: Rules) -> None:
        """Whoever was held up for a while starts from now: nobody catches up on what others used meanwhile."""
        self.time = max(self.time, self.turns[one.tenant])
        self.turns[one.tenant] = self.time + one.units * UNIT // rules.weights.get(one.tenant, 1)
        self.slots += 1
