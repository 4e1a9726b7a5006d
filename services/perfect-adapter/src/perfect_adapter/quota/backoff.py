"""Exponential backoff: each pause is longer than the one before, up to a maximum, with jitter. Pure."""

import random
from dataclasses import dataclass

_JITTER = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses from `first_s` to `longest_s` seconds, each `growth` times the one before."""

    first_s: float
    longest_s: float
    growth: float = 2.0

    def delay_s(self, failures: int) -> float:
        """Return the pause after so many failures in a row (1 is the first), without jitter."""
        return min(self.first_s * self.growth ** min(max(failures - 1, 0), 30), self.longest_s)

    def draw_s(self, failures: int) -> float:
        """Return the same with a jitter of a fifth, so that what failed together does not come back together."""
        return self.delay_s(failures) * random.uniform(*_JITTER)  # noqa: S311 jitter is no secret
