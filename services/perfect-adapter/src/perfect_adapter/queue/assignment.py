"""The key of a new order, and the open orders that it has to wait for. Pure.

Only orders that could be taken for each other wait for each other: those of one key and one path of the vendor's, since
a poll with its key on its path tells a lost task from every other. While such an order is in hand, or ambiguous and
likely to turn up, the next one waits. That makes losses traceable; it is not what keeps pictures apart: a task is given
to an order only if no other order can have made it (`ambiguous.decision`), however many there are.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field

from perfect_adapter.queue.fair_queue import MOST_URGENT, QueuePolicy
from perfect_adapter.vendor.features import FEATURES

_UNKNOWN_DURATION_S = 20.0
_MIN_HOLD_S = 5.0
_SEARCH_S = 10.0  # the search at the end of the wait decides about the order, before others go on without it
_SEARCHES_AT_LEAST = 3  # time alone would count outages of ours, and two orders would be ambiguous together

TIME_NEEDED_S = 2.0
"""Beside the task's own time. Nothing is ordered that could not be there in time: it would be paid for in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderingPolicy:
    """How renders are ordered.

    Args:
        queue: in which order.
        at_once: how many of one key and path may be in hand or ambiguous at the same time.
        calls_per_task: what a task costs of the quota in the end.
        ambiguous_wait_s: after which none waits for an ambiguous order that was searched for in vain.
    """

    queue: QueuePolicy
    at_once: int
    calls_per_task: int
    ambiguous_wait_s: float


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that is in hand or ambiguous.

    `age_s`: since it was made. `searched_s`: how long after it was made the history was last read back to it and showed
    no trace of it; None if it was not. `failed_searches`: those since then that brought no answer.
    """

    key: str
    feature: str
    _: KW_ONLY
    is_in_hand: bool
    age_s: float
    searched_s: float | None = None
    failed_searches: int = 0


def hold_s(typical_s: float | None) -> float:
    """Return the seconds after an order at which a search releases others: twice what such a task takes."""
    return max(_MIN_HOLD_S, 2 * (typical_s or _UNKNOWN_DURATION_S))


def still_holds(order: OpenOrder, typical_s: float | None, wait_s: float) -> bool:
    """Return whether others have to wait for this one: until a search shows no trace of it, or brings no answer.

    `wait_s`: after which, plus time for a last search, none waits any longer if it was searched for in vain.
    """
    if order.is_in_hand:
        return True
    is_searched = order.searched_s is not None and order.searched_s >= hold_s(typical_s)
    is_in_vain = order.failed_searches >= _SEARCHES_AT_LEAST and order.age_s >= wait_s + _SEARCH_S
    return not is_searched and not is_in_vain


@dataclass(slots=True)
class Assignment:
    """Assigns keys to new orders, the one with the most remaining orders first.

    Args:
        by_key: how many more orders each key may take.
        holding: open orders that others wait for.
        at_once: how many of one key and path there may be at the same time. A kiosk may pass one that is ambiguous.
        max_units_by_key: keys whose accounts suffice only for tasks of at most so many units.
    """

    by_key: dict[str, int]
    holding: Collection[OpenOrder]
    at_once: int
    max_units_by_key: Mapping[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict, init=False)
    """Render -> key, in the order in which they were assigned."""
    _in_hand: Counter[tuple[str, str]] = field(init=False)
    _ambiguous: Counter[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._in_hand = Counter((one.key, path_of(one.feature)) for one in self.holding if one.is_in_hand)
        self._ambiguous = Counter((one.key, path_of(one.feature)) for one in self.holding if not one.is_in_hand)

    def fits(self, feature: str, rank: int, units: int = 0) -> bool:
        """Return whether an order of this feature, class and price in units may be made now."""
        return self._key_for(path_of(feature), rank, units) is not None

    def assign(self, render_id: str, feature: str, rank: int, units: int = 0) -> None:
        """Assign a key to an order that fits."""
        path = path_of(feature)
        key = self._key_for(path, rank, units)
        if key is None:
            raise ValueError(f"no key for {render_id}")
        self.keys[render_id] = key
        self.by_key[key] -= 1
        self._in_hand[key, path] += 1

    def full(self, rank: int) -> list[str]:
        """Return the features of which no order of this class may be made now."""
        return [name for name in FEATURES if not self.fits(name, rank)]

    def max_units(self) -> int | None:
        """Return how many units a task may cost that some key takes; None if there is no limit."""
        limits = [self.max_units_by_key.get(key) for key in self.by_key]
        return None if None in limits else max((limit for limit in limits if limit is not None), default=None)

    def _key_for(self, path: str, rank: int, units: int) -> str | None:
        free = [
            key
            for key, left in self.by_key.items()
            if left > 0 and units <= self.max_units_by_key.get(key, units) and self._is_free(key, path, rank)
        ]
        return max(free, key=lambda key: self.by_key[key], default=None)

    def _is_free(self, key: str, path: str, rank: int) -> bool:
        passes = 1 if rank == MOST_URGENT and self._ambiguous[key, path] else 0
        in_hand = self._in_hand[key, path]
        return in_hand < self.at_once and in_hand + self._ambiguous[key, path] < self.at_once + passes


def path_of(feature: str) -> str:
    """Return the path by which the vendor tells its tasks from others; two features may share one."""
    return FEATURES[feature].path


def alike(feature: str) -> list[str]:
    """Return every feature whose tasks a poll cannot tell from this one's, itself included."""
    return [name for name, other in FEATURES.items() if other.path == path_of(feature)]
