"""The vendor's quota: so many calls in a sliding window and so many a second, for each API key and each address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# The vendor counts a call when it arrives: at the latest when it has answered. That is noted by our own clock; this is
# for clocks that run at slightly different speeds.
_SLACK = 1.002
_SECOND = 1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """`calls` in `window_s` seconds, `pace` in one; 0 means that there is no such limit."""

    calls: int
    window_s: float
    pace: int

    @property
    def is_limited(self) -> bool:
        return bool(self.calls or self.pace)

    @property
    def horizon_s(self) -> float:
        """How old a call has to be not to matter any more."""
        return max(self.window_s * _SLACK if self.calls else 0.0, _SECOND)


@dataclass(frozen=True, slots=True)
class Wish:
    """So many calls of one kind are wanted.

    `each` is what one of them costs in the end, those that must follow it included; `owed` is what must follow calls
    made before. A task that was created has to be looked at: creating must never starve that.
    """

    count: int
    each: int = 1
    owed: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """How many calls may be made now; if not all of them, in how many seconds to ask again."""

    count: int
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Party:
    """An API key or an address, as the vendor counts it: seconds since each of its calls, the newest first.

    `owed`: how many calls must follow those made before.
    """

    name: str
    ages: Sequence[float] = ()
    paused_s: float = 0.0
    owed: int = 0


@dataclass(frozen=True, slots=True)
class Allotment:
    """How many orders may be made now, and of each key; if there are fewer than wanted, when to ask again."""

    count: int
    rooms: Mapping[str, int] = field(default_factory=dict)
    wait_s: float | None = None
    affordable: Mapping[str, int] = field(default_factory=dict)
    """Keys that take only tasks of at most so many units."""


def grant(budget: Budget, party: Party, wish: Wish) -> Grant:
    """What the budget allows one party."""
    if party.paused_s > 0:
        return Grant(0, party.paused_s)
    window, window_wait = _room(party.ages, budget.calls, budget.window_s * _SLACK, wish.owed, wish)
    # What is owed will not all fall into this second: half of the pace is kept for it.
    kept = budget.pace // 2 if wish.owed else 0
    pace, pace_wait = _room(party.ages, budget.pace, _SECOND, kept, Wish(wish.count))
    count = min(wish.count, window, pace)
    waits = [wait for room, wait in ((window, window_wait), (pace, pace_wait)) if room == count]
    return Grant(count, 0.0 if count == wish.count else max(waits))


@dataclass(frozen=True, slots=True)
class Order:
    """So many tasks are to be created, each of which costs `each` calls in the end."""

    count: int
    each: int


def allot(budget: Budget, egress: Party, keys: Sequence[Party], order: Order) -> Allotment:
    """How many creations key and address allow."""
    outside = grant(budget, egress, Wish(order.count, order.each, egress.owed))
    room = {key.name: grant(budget, key, Wish(order.count, order.each, key.owed)) for key in keys}
    rooms = {name: granted.count for name, granted in room.items()}
    count = min(order.count, outside.count, sum(rooms.values()))
    return Allotment(count, rooms, None if count == order.count else _soonest(outside, room, count))


@dataclass
class _Shares:
    """How many of a party's calls are spoken for while looks are spread."""

    taken: dict[str, int] = field(default_factory=dict)

    def take(self, name: str, limit: int) -> bool:
        if self.taken.get(name, 0) >= limit:
            return False
        self.taken[name] = self.taken.get(name, 0) + 1
        return True


def admit(budget: Budget, egress: Party, keys: Mapping[str, Party], wanted: Sequence[str]) -> tuple[list[bool], float]:
    """Which of these calls, each bound to its key, may be made now, in order; if not all, in how many seconds more."""
    counts = {name: wanted.count(name) for name in keys}
    outside = grant(budget, egress, Wish(len(wanted)))
    room = {name: grant(budget, party, Wish(counts[name])) for name, party in keys.items() if counts[name]}
    shares, admitted = _Shares(), list[bool]()
    for name in wanted:
        known = name in room and sum(admitted) < outside.count
        admitted.append(known and shares.take(name, room[name].count))
    waits = [each.wait_s for each in (outside, *room.values()) if each.wait_s]
    return admitted, min(waits, default=_SECOND) if not all(admitted) else 0.0


def _soonest(outside: Grant, room: Mapping[str, Grant], count: int) -> float | None:
    """When more may be allowed; None if time alone does not change that."""
    if outside.count <= count and outside.wait_s:
        return outside.wait_s
    waits = [each.wait_s for each in room.values() if each.wait_s]
    return max(outside.wait_s, min(waits)) if waits else None


def _room(ages: Sequence[float], limit: int, span_s: float, kept: int, wish: Wish) -> tuple[int, float]:
    """How many more fit into one limit, and the seconds until one more fits than do now."""
    if not limit:
        return wish.count, 0.0
    used = [age for age in ages if age < span_s]
    count = max(0, limit - kept - len(used)) // wish.each
    if count >= wish.count:
        return wish.count, 0.0
    must_leave = len(used) - (limit - kept - (count + 1) * wish.each)
    leaving = used[-min(must_leave, len(used))] if used and must_leave > 0 else 0.0
    return count, span_s - leaving
