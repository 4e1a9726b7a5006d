"""How long tasks take at the vendor: read anew now and then, for whoever decides what can be in time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

from closet_messaging.transaction import Connection

from perfect_adapter.domain.features import FEATURES
from perfect_adapter.store import orders

_KEPT_S = 10.0
_PUBLISHED = {name: feature.typical_s for name, feature in FEATURES.items()}


@dataclass(eq=False)
class TypicalTimes:
    """By feature, the median in seconds; where no task has ended lately, what the table of features says."""

    clock: Callable[[], float] = monotonic
    _read_at: float = field(default=float("-inf"), init=False)
    _seconds: Mapping[str, float] = field(default_factory=dict, init=False)

    async def read(self, conn: Connection) -> Mapping[str, float]:
        """As they were at most ten seconds ago."""
        if self.clock() - self._read_at > _KEPT_S:
            self._seconds = _PUBLISHED | await orders.typical_s(conn)
            self._read_at = self.clock()
        return self._seconds
