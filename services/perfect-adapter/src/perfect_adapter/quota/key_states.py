"""States of an API key, and when one that is out is checked again. Pure."""

from enum import StrEnum

from perfect_adapter.quota.backoff import Backoff

_CHECKS = Backoff(60.0, 3600.0)


class KeyState(StrEnum):
    """`draining`: finishes its tasks, gets no new ones. `out`: the vendor does not take it, for now."""

    ACTIVE = "active"
    DRAINING = "draining"
    OUT = "out"


def check_in_s(checks: int) -> float:
    """Return the seconds until a key that is out is checked again, after so many checks in vain."""
    return _CHECKS.delay_s(checks + 1)
