"""The waiting room: which task is submitted next.

Classes go in order: who stands at a kiosk, then who waits at a screen, then batches. What has waited for long makes a
class of its own that may take every second slot, so that nothing starves, and yet a kiosk waits for one slot at most.
Inside a class tenants take turns by weighted deficit round robin (Shreedhar and Varghese 1996), counted in the
vendor's units: a dear task uses up more of its tenant's turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

QUANTUM = 2
"""Units that a tenant of weight 1 may use in a turn: a try-on."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task in the waiting room; `rank` is its class, the lower the more urgent."""

    render_id: str
    tenant: str
    rank: int
    units: int
    age_s: float
    feature: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A tenant's place in the ring: whose `turn` is lowest is next. `deficit` are the units it may still use."""

    turn: int = 0
    deficit: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """`aged_s`: after how long a task counts as one that has waited for long. `cap`: in flight per tenant; 0: any."""

    aged_s: float
    weights: Mapping[str, int] = field(default_factory=dict)
    cap: int = 0


@dataclass(slots=True)
class Room:
    """What stands in the room, and whose turn it is. `slots` counts those given out so far."""

    waiting: Sequence[Waiting]
    shares: dict[str, Share]
    in_flight: Mapping[str, int]
    slots: int

    def choose(self, count: int, rules: Rules) -> list[Waiting]:
        """The next so many tasks, in order; `shares` and `slots` are as they stand after that."""
        queue = sorted(self.waiting, key=lambda one: (one.rank, -one.age_s))
        flying = dict(self.in_flight)
        chosen: list[Waiting] = []
        while len(chosen) < count:
            allowed = [one for one in queue if not rules.cap or flying.get(one.tenant, 0) < rules.cap]
            if not allowed:
                break
            one = self._next(_class_of(allowed, rules, self.slots), rules)
            queue.remove(one)
            chosen.append(one)
            flying[one.tenant] = flying.get(one.tenant, 0) + 1
            self.slots += 1
        return chosen

    def _next(self, queue: Sequence[Waiting], rules: Rules) -> Waiting:
        """The head of the tenant whose turn it is; a tenant that cannot afford its head goes to the end of the ring."""
        heads: dict[str, Waiting] = {}
        for one in queue:
            heads.setdefault(one.tenant, one)
        while True:
            tenant = min(heads, key=lambda name: (self._share(name).turn, name))
            share, head = self._share(tenant), heads[tenant]
            if share.deficit >= head.units:
                self.shares[tenant] = replace(share, deficit=share.deficit - head.units)
                return head
            earned = share.deficit + QUANTUM * rules.weights.get(tenant, 1)
            self.shares[tenant] = Share(self._last_turn() + 1, earned)

    def _share(self, tenant: str) -> Share:
        """A newcomer stands at the end of the ring, with nothing saved up."""
        if tenant not in self.shares:
            self.shares[tenant] = Share(self._last_turn() + 1)
        return self.shares[tenant]

    def _last_turn(self) -> int:
        return max((share.turn for share in self.shares.values()), default=0)


def _class_of(queue: Sequence[Waiting], rules: Rules, slots: int) -> Sequence[Waiting]:
    aged = [one for one in queue if one.age_s >= rules.aged_s]
    if aged and slots % 2:
        return sorted(aged, key=lambda one: -one.age_s)
    return [one for one in queue if one.rank == queue[0].rank]


def forget_absent(shares: Mapping[str, Share], tenants: Iterable[str]) -> dict[str, Share]:
    """Only those with something waiting keep a place: nobody saves up a deficit while away."""
    here = set(tenants)
    return {tenant: share for tenant, share in shares.items() if tenant in here}
