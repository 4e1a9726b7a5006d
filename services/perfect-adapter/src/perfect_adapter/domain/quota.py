"""The vendor's quota: so many calls in a sliding window, and so many a second."""

from collections.abc import Sequence
from dataclasses import dataclass

# Calls are charged before they are made and counted by the vendor when they arrive: those that dawdled on the way
# leave its window later than ours.
_SLACK = 1.02
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


def grant(budget: Budget, ages: Sequence[float], wish: Wish) -> Grant:
    """What the budget allows, given how many seconds ago each call was charged, the newest first."""
    window, window_wait = _room(ages, budget.calls, budget.window_s * _SLACK, wish.owed, wish)
    # What is owed will not all fall into this second: half of the pace is kept for it.
    pace, pace_wait = _room(ages, budget.pace, _SECOND, budget.pace // 2 if wish.owed else 0, Wish(wish.count))
    count = min(wish.count, window, pace)
    waits = [wait for room, wait in ((window, window_wait), (pace, pace_wait)) if room == count]
    return Grant(count, 0.0 if count == wish.count else max(waits))


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
