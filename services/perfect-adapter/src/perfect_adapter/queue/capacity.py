"""The capacity from which waits are estimated, published when it has changed notably. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from closet_contracts.generation import Priority

from perfect_adapter.quota.budget import Budget

_NOTABLE = 0.2
_NOTABLE_STOP_S = 2.0
_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """`available`: whether any key takes work. `per_minute`: tasks, None where nothing limits them.

    `stopped_until`: nothing is ordered before then, in epoch seconds; 0 if nothing is in the way.
    """

    available: bool
    per_minute: float | None
    waiting: Mapping[Priority, int]
    running: int
    typical_s: float | None
    stopped_until: float = 0.0


def allowed_per_minute(budget: Budget, keys: int, calls_per_task: int) -> float | None:
    """Return the tasks per minute that the quota allows with so many keys behind one address."""
    rates = [keys * budget.calls / budget.window_s, budget.calls / budget.window_s] if budget.calls else []
    rates += [keys * budget.pace, budget.pace] if budget.pace else []
    return min(rates) * _MINUTE / calls_per_task if rates else None


def has_changed(before: Capacity | None, now: Capacity) -> bool:
    """Return whether the difference matters to an estimate of a wait."""
    if before is None or before.available != now.available:
        return True
    if abs(before.stopped_until - now.stopped_until) > _NOTABLE_STOP_S:
        return True
    pairs = [
        (float(before.running), float(now.running)),
        (before.per_minute or 0.0, now.per_minute or 0.0),
        (before.typical_s or 0.0, now.typical_s or 0.0),
        *((float(before.waiting.get(each, 0)), float(now.waiting.get(each, 0))) for each in Priority),
    ]
    return any(abs(after - earlier) > max(1.0, _NOTABLE * earlier) for earlier, after in pairs)
