"""How long a new job takes, and whether it is better not taken on: so much waits, or nobody would hear of it."""

import math
import time
from collections import Counter
from collections.abc import Callable

from closet_chassis.problems import Problem
from closet_contracts.generation import Priority
from closet_contracts.work import Work, tasks_of
from closet_messaging.transaction import Connection

from kiosk_gateway.domain.capacity import UNHEARD_OF, Queue
from kiosk_gateway.domain.refusals import INTAKE_PAUSED, VENDOR_SATURATED
from kiosk_gateway.handlers.pace import Pace
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.store.capacity import read_queue

LOOK_EVERY_S = 1.0


def _never() -> bool:
    return False


class Admission:
    """The queue as this replica knows it: looked up at most once a second, and what it took on since.

    Args:
        pace: how long work takes.
        longest_wait_s: what would wait longer for its turn is refused.
        is_stalled: whether what was taken on before does not reach the bus; then nothing is added to it.
    """

    def __init__(self, pace: Pace, longest_wait_s: float, is_stalled: Callable[[], bool] = _never) -> None:
        self._pace = pace
        self._longest_wait_s = longest_wait_s
        self._is_stalled = is_stalled
        self._queue = Queue(UNHEARD_OF, Counter())
        self._looked_at = -math.inf

    async def look(self, conn: Connection) -> None:
        """Know the queue as it is now, nearly."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._queue, self._looked_at = await read_queue(conn), now

    async def typical_s(self, conn: Connection, work: Work) -> int:
        """Seconds that the work takes once it is its turn: as long as its longest task."""
        otherwise = self._queue.capacity.typical_s
        kinds = {task.kind for task in tasks_of(work)}
        return max([await self._pace.seconds(conn, kind, otherwise) for kind in kinds])

    def admit(self, tenant: str, priority: Priority, items: int) -> int | Problem:
        """Put so many tasks in the queue; whole seconds until the last has its turn, or why they are not taken."""
        if self._is_stalled():
            return refuse(INTAKE_PAUSED)
        wait_s = self._queue.wait_s(tenant, priority, items)
        if wait_s > self._longest_wait_s:
            return _saturated(wait_s - self._longest_wait_s)
        self._queue.add(tenant, priority, items)
        return math.ceil(wait_s)


def _saturated(too_long_s: float) -> Problem:
    # As time passes the wait gets shorter, so it is under the limit once what is too much of it has passed.
    return refuse(VENDOR_SATURATED, retry_after_s=math.ceil(too_long_s) if math.isfinite(too_long_s) else None)
