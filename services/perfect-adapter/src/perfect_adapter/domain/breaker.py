"""A circuit breaker for each feature: one that keeps failing at the vendor is left alone for a while."""

from dataclasses import dataclass

THRESHOLD = 5
_OPEN_FIRST_S = 30.0
_OPEN_LONGEST_S = 600.0
PROBE_S = 60.0
"""How long one probe may take before another is sent."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """`failures` in a row; `open_s`: for how long it stays open, 0 if it is closed or half open."""

    feature: str
    failures: int
    open_s: float

    @property
    def blocks(self) -> bool:
        return self.open_s > 0

    @property
    def is_half_open(self) -> bool:
        """One task may go through and show whether it works again."""
        return self.failures >= THRESHOLD and not self.blocks


def open_for_s(failures: int) -> float:
    """Seconds for which it opens after so many failures in a row; 0 below the threshold."""
    if failures < THRESHOLD:
        return 0.0
    return min(_OPEN_FIRST_S * 2.0 ** min(failures - THRESHOLD, 10), _OPEN_LONGEST_S)
