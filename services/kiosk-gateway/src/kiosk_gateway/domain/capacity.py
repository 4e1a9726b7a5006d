"""How long a job waits for its turn at the vendor: what is before it, over how much can be made."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from closet_contracts.generation import Priority

CLASSES = tuple(Priority)
"""The most urgent first."""

Backlog = Mapping[tuple[str, Priority], int]
"""Tasks that have not reached the vendor, by tenant and class."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much can be made now; without `per_minute` nothing limits it. `typical_s` is how long a task takes there.

    `stopped_s`: for how many seconds nothing is given to the vendor.
    """

    available: bool
    per_minute: float | None
    typical_s: float | None = None
    stopped_s: float = 0.0

    def wait_s(self, before: int) -> float:
        """Seconds until so many tasks have been given to the vendor; infinite where none can be."""
        if not self.available:
            return math.inf
        if self.per_minute is None or not before:
            return self.stopped_s
        return self.stopped_s + before * 60 / self.per_minute if self.per_minute else math.inf


UNHEARD_OF = Capacity(available=True, per_minute=None)
"""As long as nobody has said what can be made."""


def before(backlog: Backlog, tenant: str, priority: Priority, items: int) -> int:
    """How many tasks are made before the last of so many new ones.

    More urgent classes go first. Within a class tenants take turns: until the last of ours, each of the others has had
    as many turns as we, as far as it has work for them.
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
    """What waits for the vendor as last looked up, and what was taken on since."""

    capacity: Capacity
    waiting: Counter[tuple[str, Priority]]

    def wait_s(self, tenant: str, priority: Priority, items: int) -> float:
        """Seconds until the last of so many new tasks has its turn."""
        return self.capacity.wait_s(before(self.waiting, tenant, priority, items))

    def add(self, tenant: str, priority: Priority, items: int) -> None:
        """So many more wait."""
        self.waiting[tenant, priority] += items
