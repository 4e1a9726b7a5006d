"""The vendor's quota: calls in a sliding window and calls a second, for each API key and each egress address. Pure."""

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
        """Return the age in seconds from which a call no longer counts."""
        return max(self.window_s * _SLACK if self.calls else 0.0, _SECOND)


@dataclass(frozen=True, slots=True)
class Demand:
    """A demand for calls of one kind.

    `each` is what one of them costs in the end, those that must follow it included; `owed` is what must follow calls
    made before. A created task has to be polled: creating must never starve that.
    """

    count: int
    each: int = 1
    owed: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """The number of calls that may be made now; if not all, `wait_s` until to ask again."""

    count: int
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class QuotaSubject:
    """An API key or an egress address, as the vendor counts it. `ages`: seconds since its calls, the newest first.

    `owed`: how many calls must follow those made before.
    """

    name: str
    ages: Sequence[float] = ()
    paused_s: float = 0.0
    owed: int = 0


@dataclass(frozen=True, slots=True)
class Allocation:
    """The tasks that may be created now, in all and by key; if fewer than demanded, `wait_s` until to ask again."""

    count: int
    by_key: Mapping[str, int] = field(default_factory=dict)
    wait_s: float | None = None
    max_units_by_key: Mapping[str, int] = field(default_factory=dict)
    """Keys whose accounts suffice only for tasks of at most so many units."""


def allow(budget: Budget, subject: QuotaSubject, demand: Demand) -> Allowance:
    """Return what the budget allows one subject."""
    if subject.paused_s > 0:
        return Allowance(0, subject.paused_s)
    window, window_wait = _remaining(subject.ages, budget.calls, budget.window_s * _SLACK, demand.owed, demand)
    # What is owed will not all fall into this second: half of the pace is reserved for it.
    reserved = budget.pace // 2 if demand.owed else 0
    pace, pace_wait = _remaining(subject.ages, budget.pace, _SECOND, reserved, Demand(demand.count))
    count = min(demand.count, window, pace)
    waits = [wait for left, wait in ((window, window_wait), (pace, pace_wait)) if left == count]
    return Allowance(count, 0.0 if count == demand.count else max(waits))


@dataclass(frozen=True, slots=True)
class TaskDemand:
    """A demand for `count` tasks, each of which costs `each` calls in the end."""

    count: int
    each: int


def allocate(budget: Budget, egress: QuotaSubject, keys: Sequence[QuotaSubject], demand: TaskDemand) -> Allocation:
    """Return how many tasks keys and egress address allow to create."""
    of_egress = allow(budget, egress, Demand(demand.count, demand.each, egress.owed))
    by_name = {key.name: allow(budget, key, Demand(demand.count, demand.each, key.owed)) for key in keys}
    by_key = {name: allowance.count for name, allowance in by_name.items()}
    count = min(demand.count, of_egress.count, sum(by_key.values()))
    return Allocation(count, by_key, None if count == demand.count else _soonest(of_egress, by_name, count))


@dataclass
class _Taken:
    """How many calls of each key are taken while calls are admitted."""

    counts: dict[str, int] = field(default_factory=dict)

    def take(self, name: str, limit: int) -> bool:
        if self.counts.get(name, 0) >= limit:
            return False
        self.counts[name] = self.counts.get(name, 0) + 1
        return True


def admit(
    budget: Budget, egress: QuotaSubject, keys: Mapping[str, QuotaSubject], wanted: Sequence[str]
) -> tuple[list[bool], float]:
    """Return which of these calls, each bound to its key, may be made now; if not all, the seconds until more may."""
    counts = {name: wanted.count(name) for name in keys}
    of_egress = allow(budget, egress, Demand(len(wanted)))
    by_name = {name: allow(budget, subject, Demand(counts[name])) for name, subject in keys.items() if counts[name]}
    taken, admitted = _Taken(), list[bool]()
    for name in wanted:
        known = name in by_name and sum(admitted) < of_egress.count
        admitted.append(known and taken.take(name, by_name[name].count))
    waits = [each.wait_s for each in (of_egress, *by_name.values()) if each.wait_s]
    return admitted, min(waits, default=_SECOND) if not all(admitted) else 0.0


def _soonest(of_egress: Allowance, by_name: Mapping[str, Allowance], count: int) -> float | None:
    """Return the seconds until more may be allowed; None if time alone does not change that."""
    if of_egress.count <= count and of_egress.wait_s:
        return of_egress.wait_s
    waits = [each.wait_s for each in by_name.values() if each.wait_s]
    return max(of_egress.wait_s, min(waits)) if waits else None


def _remaining(ages: Sequence[float], limit: int, span_s: float, reserved: int, demand: Demand) -> tuple[int, float]:
    """Return how many more fit into one limit, and the seconds until one more fits."""
    if not limit:
        return demand.count, 0.0
    used = [age for age in ages if age < span_s]
    count = max(0, limit - reserved - len(used)) // demand.each
    if count >= demand.count:
        return demand.count, 0.0
    must_leave = len(used) - (limit - reserved - (count + 1) * demand.each)
    leaving = used[-min(must_leave, len(used))] if used and must_leave > 0 else 0.0
    return count, span_s - leaving
