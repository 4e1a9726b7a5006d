"""Everything the vendor knows, in memory."""

import base64
import secrets
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal

from closet_devstack.sandbox.perfect.faults import Faults
from closet_devstack.sandbox.perfect.features import Feature, Order
from closet_devstack.sandbox.perfect.quota import Quota
from closet_devstack.sandbox.perfect.settings import Settings
from closet_devstack.sandbox.perfect.units import Units

_TASK_TTL_S = 30 * 24 * 3600
_PICTURES_KEPT_BYTES = 64 << 20


@dataclass(slots=True)
class Task:
    """One order, from its creation to its end."""

    id: str
    key: str
    feature: Feature
    order: Order
    created_at: float
    status: Literal["running", "success", "error"] = "running"
    ended_at: float | None = None
    error: str | None = None
    error_message: str | None = None
    results: int = 0
    token: str = field(default_factory=lambda: secrets.token_hex(12))
    looks: int = 0
    charged: int = 0


class World:
    """The vendor's state, and its clock, which tests may put forward."""

    def __init__(self, settings: Settings, units: int) -> None:
        self._first = settings, units
        self.reset()

    def reset(self) -> None:
        """As it was in the beginning."""
        settings, units = self._first
        self.settings = settings
        self.units = Units(units)
        self.quota = Quota()
        self.faults = Faults()
        self.calls: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.webhooks: Counter[str] = Counter()
        self.tasks: dict[str, Task] = {}
        self.pictures: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self.ahead_s = 0.0
        self.signing_key = secrets.token_bytes(32)

    def now(self) -> float:
        """Epoch seconds."""
        return time.time() + self.ahead_s

    def create(self, key: str, feature: Feature, order: Order) -> Task:
        # Their ids must be encoded to stand in a path: "/" and "+" are always in one.
        task_id = f"{base64.b64encode(secrets.token_bytes(18)).decode()}/+{secrets.token_hex(4)}=="
        task = Task(task_id, key, feature, order, self.now())
        self.tasks[task_id] = task
        return task

    def find(self, task_id: str, key: str, feature: Feature) -> Task | None:
        """The task, if it is this key's, of this feature, and not timed out."""
        task = self.tasks.get(task_id)
        if task is None or task.key != key or task.feature is not feature:
            return None
        return task if self.now() - task.created_at < _TASK_TTL_S else None

    def keep(self, task: Task, pictures: list[bytes]) -> None:
        """Remember a task's pictures; the oldest go when there are too many for memory."""
        task.results = len(pictures)
        for index, picture in enumerate(pictures):
            self.pictures[f"{task.token}_{index}"] = picture
            self._kept_bytes += len(picture)
        while self._kept_bytes > _PICTURES_KEPT_BYTES:
            _, oldest = self.pictures.popitem(last=False)
            self._kept_bytes -= len(oldest)

    def stats(self) -> dict[str, Any]:
        return {
            "tasksCreated": len(self.tasks),
            "tasksByStatus": Counter(task.status for task in self.tasks.values()),
            "calls": sum(self.calls.values()),
            "callsByOperation": self.calls,
            "answersByStatus": {str(status): count for status, count in self.answers.items()},
            "unitsBalance": self.units.balance,
            "unitsCharged": self.units.charged,
            "webhooks": self.webhooks,
        }
