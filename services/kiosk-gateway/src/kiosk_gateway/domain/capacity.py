"""The wait of a job for the vendor: the tasks ahead of it, divided by the vendor's rate."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from closet_contracts.generation import Priority

CLASSES = tuple(Priority)
"""The most urgent class first."""

Backlog = Mapping[tuple[str, Priority], int]
"""Number of tasks that have not reached the vendor, by tenant and class."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the vendor can make now.

    Attributes:
        available: whether tasks can reach the vendor at all.
        per_minute: tasks per minute; None if nothing limits them.
        typical_s: seconds that a task usually takes at the vendor.
        stopped_s: seconds for which no task is given to the vendor.
    """

    available: bool
    per_minute: float | None
    typical_s: float | None = None
    stopped_s: float = 0.0

    def wait_s(self, tasks: int) -> float:
        """Return the seconds until that many tasks have been given to the vendor; infinite if none can be."""
        if not self.available:
            return math.inf
        if self.per_minute is None or not tasks:
            return self.stopped_s
        return self.stopped_s + tasks * 60 / self.per_minute if self.per_minute else math.inf


UNKNOWN_CAPACITY = Capacity(available=True, per_minute=None)
"""Assumed until the first `render.capacity_changed`."""


def tasks_ahead(backlog: Backlog, tenant: str, priority: Priority, items: int) -> int:
    """Return the number of tasks that go to the vendor before the last of `items` new ones.

    More urgent classes go first. Within a class tenants take turns: before the tenant's last task, each other tenant
    has had as many turns as this one, or all that it has tasks for.
    """
    own = backlog.get((tenant, priority), 0)
    above = CLASSES[: CLASSES.index(priority)]
    urgent = sum(tasks for (_, each), tasks in backlog.items() if each in above)
    others = sum(
        min(tasks, own + items) for (who, each), tasks in backlog.items() if each is priority and who != tenant
    )
    return urgent + others + own + items - 1


@dataclass(slots=True)
class Queue:
    """The tasks that wait for the vendor: those last read from the database, and those accepted since."""

    capacity: Capacity
    waiting: Counter[tuple[str, Priority]]

    def wait_s(self, tenant: str, priority: Priority, items: int) -> float:
        """Return the seconds until the last of `items` new tasks has its turn."""
        return self.capacity.wait_s(tasks_ahead(self.waiting, tenant, priority, items))

    def add(self, tenant: str, priority: Priority, items: int) -> None:
        """Add tasks to the backlog."""
        self.waiting[tenant, priority] += items
