"""Typical durations of tasks at the vendor, cached for a few seconds, to decide what can be in time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

from closet_messaging.unit import Connection

from perfect_adapter.queue import open_orders
from perfect_adapter.vendor.features import FEATURES

_KEPT_S = 10.0
_PUBLISHED = {name: feature.typical_s for name, feature in FEATURES.items()}


@dataclass(eq=False)
class TypicalDurations:
    """By feature, the median in seconds; where no task has ended lately, the value of the table of features."""

    clock: Callable[[], float] = monotonic
    _read_at: float = field(default=float("-inf"), init=False)
    _seconds: Mapping[str, float] = field(default_factory=dict, init=False)

    async def read(self, conn: Connection) -> Mapping[str, float]:
        """Return them as they were at most ten seconds ago."""
        if self.clock() - self._read_at > _KEPT_S:
            self._seconds = _PUBLISHED | await open_orders.typical_s(conn)
            self._read_at = self.clock()
        return self._seconds
