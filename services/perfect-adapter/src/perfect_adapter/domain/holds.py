"""Which key a new order goes to, and which orders it has to wait for.

Only orders that could be taken for each other wait for each other: those of one key and one path of the vendor's, since
a look with its key on its path tells a lost task from every other. While such an order is in hand, or in doubt and
likely to turn up, the next one waits. That makes losses traceable; it is not what keeps pictures apart: a task is given
to an order only if no other order can have made it (`doubt.next_step`), however many there are.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from perfect_adapter.domain.features import FEATURES
from perfect_adapter.domain.renders import MOST_URGENT

_TYPICAL_UNKNOWN_S = 20.0
_HOLD_LEAST_S = 5.0
_SEARCH_S = 10.0  # the search at the end of the wait decides about the order, before others go on without it
_TRIED_AT_LEAST = 3  # time alone would count what nobody was there to try, and two orders would be in doubt together


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that is in hand or in doubt.

    `age_s`: since it was made. `searched_s`: how long after it was made the history was last read back to it and showed
    no trace of it; None if it was not. `in_vain`: how often that was tried since without an answer.
    """

    key: str
    feature: str
    in_hand: bool
    age_s: float
    searched_s: float | None = None
    in_vain: int = 0


def hold_s(typical_s: float | None) -> float:
    """How long after an order a search has to be to let others go on: twice what such a task takes, in seconds."""
    return max(_HOLD_LEAST_S, 2 * (typical_s or _TYPICAL_UNKNOWN_S))


def still_holds(order: OpenOrder, typical_s: float | None, wait_s: float) -> bool:
    """Whether others have to wait for this one: until a search shows no trace of it, or brings no answer.

    `wait_s`: after which, and time for a last search, it is waited for no longer if it was searched for in vain.
    """
    if order.in_hand:
        return True
    is_searched = order.searched_s is not None and order.searched_s >= hold_s(typical_s)
    is_in_vain = order.in_vain >= _TRIED_AT_LEAST and order.age_s >= wait_s + _SEARCH_S
    return not is_searched and not is_in_vain


@dataclass(slots=True)
class Assignment:
    """New orders are given to keys, the one with the most room first.

    Args:
        rooms: how many more orders each key may take.
        holding: open orders that others wait for.
        at_once: how many of one key and path there may be at the same time. Who stands at a kiosk may pass one that is
            in doubt.
        affordable: keys whose accounts suffice only for tasks of at most so many units.
    """

    rooms: dict[str, int]
    holding: Collection[OpenOrder]
    at_once: int
    affordable: Mapping[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict, init=False)
    """Render -> key, in the order in which they were given."""
    _in_hand: Counter[tuple[str, str]] = field(init=False)
    _in_doubt: Counter[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._in_hand = Counter((one.key, path_of(one.feature)) for one in self.holding if one.in_hand)
        self._in_doubt = Counter((one.key, path_of(one.feature)) for one in self.holding if not one.in_hand)

    def fits(self, feature: str, rank: int, units: int = 0) -> bool:
        """Whether an order of this feature, class and price in units may be made now."""
        return self._key_for(path_of(feature), rank, units) is not None

    def give(self, render_id: str, feature: str, rank: int, units: int = 0) -> None:
        """Give it the key; it fits."""
        path = path_of(feature)
        key = self._key_for(path, rank, units)
        if key is None:
            raise ValueError(f"no key for {render_id}")
        self.keys[render_id] = key
        self.rooms[key] -= 1
        self._in_hand[key, path] += 1

    def full(self, rank: int) -> list[str]:
        """Features of which no order of this class may be made now."""
        return [name for name in FEATURES if not self.fits(name, rank)]

    def dearest(self) -> int | None:
        """How many units a task may cost that some key takes; None if it may cost anything."""
        limits = [self.affordable.get(key) for key in self.rooms]
        return None if None in limits else max((limit for limit in limits if limit is not None), default=None)

    def _key_for(self, path: str, rank: int, units: int) -> str | None:
        free = [
            key
            for key, room in self.rooms.items()
            if room > 0 and units <= self.affordable.get(key, units) and self._is_free(key, path, rank)
        ]
        return max(free, key=lambda key: self.rooms[key], default=None)

    def _is_free(self, key: str, path: str, rank: int) -> bool:
        passes = 1 if rank == MOST_URGENT and self._in_doubt[key, path] else 0
        in_hand = self._in_hand[key, path]
        return in_hand < self.at_once and in_hand + self._in_doubt[key, path] < self.at_once + passes


def path_of(feature: str) -> str:
    """What tells its tasks from those of others: two features may share a path."""
    return FEATURES[feature].path


def alike(feature: str) -> list[str]:
    """Every feature whose tasks a look cannot tell from this one's, itself included."""
    return [name for name, other in FEATURES.items() if other.path == path_of(feature)]
