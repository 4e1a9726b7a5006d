"""How long a new job waits and takes, and whether to refuse it because it would wait too long."""

import math
import time
from collections import Counter
from collections.abc import Callable

from closet_chassis.problems import Problem
from closet_contracts.generation import Priority
from closet_contracts.work import Work, tasks_of
from closet_messaging.transaction import Connection

from kiosk_gateway.domain.capacity import UNKNOWN_CAPACITY, Queue
from kiosk_gateway.domain.refusals import INTAKE_PAUSED, VENDOR_SATURATED
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.store.intake import median_duration, read_queue

QUEUE_MAX_AGE_S = 1.0
MEDIAN_MAX_AGE_S = 10.0
DEFAULT_DURATION_S = 30


class DurationEstimator:
    """Estimates how long a job takes at the vendor: the median of the last 50 completed jobs of its kind."""

    def __init__(self) -> None:
        self._medians: dict[str, tuple[float, float | None]] = {}

    async def seconds(self, conn: Connection, kind: str, default: float | None) -> int:
        """Return whole seconds, at least 1; `default` if no job of the kind has completed yet."""
        read_at, median = self._medians.get(kind, (-MEDIAN_MAX_AGE_S, None))
        now = time.monotonic()
        if now - read_at >= MEDIAN_MAX_AGE_S:
            median = await median_duration(conn, kind)
            self._medians[kind] = (now, median)
        return max(1, math.ceil(median or default or DEFAULT_DURATION_S))


def _never() -> bool:
    return False


class Admission:
    """Admits tasks to the vendor's queue, which this replica reads at most once a second and adds its own tasks to.

    Args:
        durations: how long work takes.
        longest_wait_s: tasks that would wait longer for their turn are refused.
        is_stalled: whether events of this service fail to reach the bus; no job is accepted meanwhile.
    """

    def __init__(
        self, durations: DurationEstimator, longest_wait_s: float, is_stalled: Callable[[], bool] = _never
    ) -> None:
        self._durations = durations
        self._longest_wait_s = longest_wait_s
        self._is_stalled = is_stalled
        self._queue = Queue(UNKNOWN_CAPACITY, Counter())
        self._read_at = -math.inf

    async def refresh(self, conn: Connection) -> None:
        """Read the queue unless it was read within `QUEUE_MAX_AGE_S`."""
        now = time.monotonic()
        if now - self._read_at >= QUEUE_MAX_AGE_S:
            self._queue, self._read_at = await read_queue(conn), now

    async def typical_s(self, conn: Connection, work: Work) -> int:
        """Return the seconds that the work takes once it has its turn: as long as its longest task."""
        default = self._queue.capacity.typical_s
        kinds = {task.kind for task in tasks_of(work)}
        return max([await self._durations.seconds(conn, kind, default) for kind in kinds])

    def admit(self, tenant: str, priority: Priority, items: int) -> int | Problem:
        """Add tasks to the queue and return the whole seconds until the last has its turn; a problem if refused."""
        if self._is_stalled():
            return problem(INTAKE_PAUSED)
        wait_s = self._queue.wait_s(tenant, priority, items)
        if wait_s > self._longest_wait_s:
            return _saturated(wait_s - self._longest_wait_s)
        self._queue.add(tenant, priority, items)
        return math.ceil(wait_s)


def _saturated(excess_s: float) -> Problem:
    # The wait shrinks as time passes: it is within the limit again after `excess_s`.
    return problem(VENDOR_SATURATED, retry_after_s=math.ceil(excess_s) if math.isfinite(excess_s) else None)
