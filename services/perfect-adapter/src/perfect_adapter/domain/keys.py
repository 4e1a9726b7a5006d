"""API keys: who is who without saying the key, and what a refusal says about one."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

PROBE_FIRST_S = 60.0
PROBE_LONGEST_S = 3600.0
NO_UNITS = "CreditInsufficiency"
CHEAPEST = 1
"""Units of the cheapest task: a key whose account does not suffice for it is of no use."""


class KeyState(StrEnum):
    """`draining`: finishes what it has begun. `out`: the vendor does not take it, for now."""

    ACTIVE = "active"
    DRAINING = "draining"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the name by which tables, logs and metrics know it."""

    secret: str

    def __repr__(self) -> str:
        return f"Key({self.name})"

    @property
    def name(self) -> str:
        """Says which key without saying the key."""
        return f"key-{sha256(self.secret.encode()).hexdigest()[:12]}"


def is_about_the_key(status: int, code: str | None) -> bool:
    """Whether a refused call says something about the key or its account, and nothing about the work."""
    return status in {401, 403} or code == NO_UNITS


def probe_in_s(probes: int) -> float:
    """Seconds until a key that is out is tried again, after so many tries in vain."""
    return min(PROBE_FIRST_S * 2.0 ** min(probes, 10), PROBE_LONGEST_S)
