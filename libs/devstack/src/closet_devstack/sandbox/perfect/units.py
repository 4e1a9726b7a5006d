"""The account's units: a balance, and a history in which a task's charge can be found by the task's id."""

import secrets
from dataclasses import dataclass, field
from typing import Any

_SUBSCRIPTION_MS = 365 * 24 * 3600 * 1000


@dataclass(slots=True)
class Units:
    """A balance; tasks are charged when they succeed."""

    balance: int
    id: int = field(default_factory=lambda: secrets.randbits(63) | 1 << 60)
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def charged(self) -> int:
        return sum(-entry["info"]["credits"][0]["amount_dec"] for entry in self.history)

    def charge(self, action: str, task_id: str, amount: int, now: float) -> None:
        self.balance -= amount
        self.history.append(
            {
                "id": secrets.randbits(63) | 1 << 60,  # beyond what a JSON number can hold everywhere
                "timestamp": int(now * 1000),
                "action": action,
                "target_id": task_id,
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
