"""A lease as its holder knows it: good until a moment on a clock that does not stop while the process does."""

import time
from dataclasses import dataclass


def now_s() -> float:
    """Seconds on a clock that runs on while this process is stopped, and while the machine sleeps where it can."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class Lease:
    """`ends_at`: by `now_s`; whoever else counts from when the database wrote it down comes to a later end."""

    ends_at: float

    @classmethod
    def from_now(cls, seconds: float) -> "Lease":
        """For so many seconds; made before the database is asked for it."""
        return cls(now_s() + seconds)

    @property
    def is_over(self) -> bool:
        """Others may have taken over what it was for."""
        return now_s() >= self.ends_at
