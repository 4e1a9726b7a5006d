"""API keys of the vendor, and what a refused call says about one. Pure."""

from dataclasses import dataclass
from hashlib import sha256

NO_UNITS = "CreditInsufficiency"
CHEAPEST = 1
"""Units of the cheapest task: a key whose account does not suffice for it is of no use."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key, and the name by which tables, logs and metrics know it."""

    secret: str

    def __repr__(self) -> str:
        return f"ApiKey({self.name})"

    @property
    def name(self) -> str:
        """Return a name that identifies the key without revealing it."""
        return f"key-{sha256(self.secret.encode()).hexdigest()[:12]}"


def is_about_the_key(status: int, code: str | None) -> bool:
    """Return whether a refused call concerns the key or its account, and not the work."""
    return status in {401, 403} or code == NO_UNITS
