"""Units: for each key a balance, and a history in which a task's charge can be found by the task's id."""

from dataclasses import dataclass, field
from typing import Any

from closet_devstack.sandbox.perfect.ids import large_number

_SUBSCRIPTION_MS = 365 * 24 * 3600 * 1000


@dataclass(slots=True)
class Account:
    """A balance; tasks are charged when they succeed."""

    balance: int
    id: int = field(default_factory=large_number)
    charged: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def charge(self, action: str, target_id: int | str, amount: int, now: float) -> None:
        self.balance -= amount
        self.charged += amount
        self.history.append(
            {
                "id": large_number(),
                "timestamp": int(now * 1000),
                "action": action,
                "target_id": target_id,
                "info": {"credits": [{"id": self.id, "amount_dec": -amount}]},
            }
        )

    def tokens(self, now: float) -> list[dict[str, Any]]:
        return [
            {
                "id": self.id,
                "type": "ApiSubsToken",
                "amount": self.balance,
                "amount_dec": self.balance,
                "expiry": int(now * 1000) + _SUBSCRIPTION_MS,
            }
        ]


class Accounts:
    """One for each key."""

    def __init__(self, usual: int) -> None:
        self._usual = usual
        self.by_key: dict[str, Account] = {}

    def of(self, key: str) -> Account:
        return self.by_key.setdefault(key, Account(self._usual))

    def set_balance(self, key: str, units: int) -> None:
        self.of(key).balance = units

    def set_all(self, units: int) -> None:
        """Also of keys that are still unknown."""
        self._usual = units
        for account in self.by_key.values():
            account.balance = units
