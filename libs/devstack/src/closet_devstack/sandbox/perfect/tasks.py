"""Tasks, from their creation to their end and beyond."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from closet_devstack.sandbox.perfect.faults import Occasion
from closet_devstack.sandbox.perfect.features import Feature, Order
from closet_devstack.sandbox.perfect.features.feature import one_url
from closet_devstack.sandbox.perfect.ids import large_number, task_id

TTL_S = 30 * 24 * 3600


@dataclass(slots=True)
class Task:
    """One order."""

    id: str
    feature: Feature
    order: Order
    occasion: Occasion
    created_at: float
    latency_ms: float
    is_number: bool = False
    created_at_real: float = field(default_factory=time.time)
    status: Literal["running", "success", "error"] = "running"
    ended_at: float | None = None
    error: str | None = None
    error_message: str | None = None
    files: tuple[str, ...] = ()
    told: Callable[[Sequence[str]], dict[str, Any]] = one_url
    token: str = field(default_factory=lambda: secrets.token_hex(12))
    looks: int = 0
    charged: int = 0
    gone: bool = False
    times_out: bool = False
    """It never ends; once it should have, looks are answered `TaskTimeout`."""

    @property
    def key(self) -> str:
        return self.occasion.key

    @property
    def is_running(self) -> bool:
        return self.status == "running" and not (self.gone or self.times_out)

    @property
    def told_id(self) -> int | str:
        """As it stands in JSON."""
        return int(self.id) if self.is_number else self.id

    def is_known(self, now: float, look_window_s: float) -> bool:
        """Not deleted, not too old, and not expired for want of interest."""
        age = now - self.created_at
        neglected = bool(look_window_s) and not self.looks and age > look_window_s
        return not (self.gone or age >= TTL_S or neglected)


def new_id(*, numeric: bool) -> str:
    return str(large_number()) if numeric else task_id()
