"""Circuit breakers: a feature that keeps failing at the vendor is not submitted for a while. Pure."""

from dataclasses import dataclass

THRESHOLD = 5
_OPEN_FIRST_S = 30.0
_OPEN_LONGEST_S = 600.0
PROBE_S = 60.0
"""How long one probe may take before another is sent."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """`failures` in a row; `open_s`: seconds for which it stays open, 0 if it is closed or half open."""

    feature: str
    failures: int
    open_s: float

    @property
    def is_open(self) -> bool:
        return self.open_s > 0

    @property
    def is_half_open(self) -> bool:
        """Return whether one task may show whether the feature works again."""
        return self.failures >= THRESHOLD and not self.is_open


def open_for_s(failures: int) -> float:
    """Return the seconds for which it opens after so many failures in a row; 0 below the threshold."""
    if failures < THRESHOLD:
        return 0.0
    return min(_OPEN_FIRST_S * 2.0 ** min(failures - THRESHOLD, 10), _OPEN_LONGEST_S)
