"""A lease as its holder knows it: valid until a moment of a clock that runs on while the process is stopped. Pure."""

import time
from dataclasses import dataclass


def now_s() -> float:
    """Return the seconds of a clock that runs on while this process is stopped or, if possible, the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class Lease:
    """`ends_at`: by `now_s`. Others, who count from when the database wrote it, come to a later end."""

    ends_at: float

    @classmethod
    def from_now(cls, seconds: float) -> "Lease":
        """Return a lease of so many seconds; to be called before the database grants it."""
        return cls(now_s() + seconds)

    @property
    def is_expired(self) -> bool:
        """Return whether others may have taken over the work."""
        return now_s() >= self.ends_at
