"""The relay: publishes what has just been committed, at once."""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence

import structlog
from closet_chassis.postgres import DATABASE_ERRORS, Pool
from nats.aio.client import Client

from closet_messaging.metrics import PUBLISH_SECONDS, QUEUED
from closet_messaging.publish import publish
from closet_messaging.unit import Connection, OutboxRow

log = structlog.get_logger(__name__)

GROUP = 256
CAPACITY = 20_000
TRIES = 3
RETRY_S = (0.05, 0.1, 0.2, 0.5)
MARK_EVERY_S = 0.1
MARK_RETRY_S = 1.0

_MARK = "UPDATE outbox SET published_at = now() WHERE id = ANY($1::uuid[])"


async def mark_published(where: "Pool | Connection", rows: Sequence[OutboxRow]) -> None:
    """Note that the bus holds these rows."""
    await where.execute(_MARK, [row.id for row in rows])


class Relay:
    """Publishes committed rows, oldest first, for as long as it takes.

    No row is lost: what finds no room in memory, what the bus does not take, and what is still here when the process
    dies stays unpublished in the table, where a sweeper finds it. Marks are written a little later, together; one that
    is lost costs a second publish, which the bus recognises.
    """

    def __init__(self, pool: Pool, nc: Client, capacity: int = CAPACITY) -> None:
        self._pool = pool
        self._nc = nc
        self._capacity = capacity
        self._queue: deque[OutboxRow] = deque()
        self._in_flight = 0
        self._failures: Counter[str] = Counter()
        self._marks: deque[OutboxRow] = deque()
        self._offered = asyncio.Event()
        self._stored = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def offer(self, rows: Sequence[OutboxRow]) -> None:
        """Take rows that have just been committed; never fails, never waits."""
        room = max(self._capacity - len(self._queue), 0)
        if room < len(rows):
            log.warning("relay_full", left_to_the_sweeper=len(rows) - room)
        self._queue.extend(rows[:room])
        self._idle.clear()
        self._offered.set()

    async def run(self) -> None:
        """Publish and mark until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_all(), name="relay-publish")
            tasks.create_task(self._mark_all(), name="relay-mark")

    async def flush(self, timeout_s: float) -> bool:
        """Wait until everything offered is published and marked; False if that takes too long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning("relay_not_flushed", unpublished=len(self._queue), unmarked=len(self._marks))
            return False
        return True

    async def _publish_all(self) -> None:
        failures = 0
        while True:
            await self._offered.wait()
            failures = 0 if await self._publish_group() else failures + 1
            if not self._queue:
                self._offered.clear()
            elif failures:
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S)) - 1])

    async def _publish_group(self) -> bool:
        group = [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]
        self._in_flight = len(group)
        stored: Sequence[OutboxRow] = ()
        try:
            if group and self._nc.is_connected:
                with PUBLISH_SECONDS.time():
                    stored = await publish(self._nc, group)
        finally:
            self._settle(group, stored)
        return bool(stored)

    def _settle(self, group: Sequence[OutboxRow], stored: Sequence[OutboxRow]) -> None:
        """What the bus holds is to be marked; the rest goes first again."""
        done = {row.id for row in stored}
        rest = [row for row in group if row.id not in done]
        if done:
            rest = self._still_worth_a_try(rest)
        self._queue.extendleft(reversed(rest))
        self._in_flight = 0
        self._marks.extend(stored)
        QUEUED.set(len(self._queue))
        if self._marks:
            self._stored.set()
        self._note_idle()

    def _still_worth_a_try(self, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        """Rows that the bus keeps refusing while it takes their neighbours must not hold up what comes after."""
        self._failures.update(row.id for row in rows)
        refused = [row.id for row in rows if self._failures[row.id] >= TRIES]
        for row_id in refused:
            del self._failures[row_id]
            log.error("event_left_to_the_sweeper", event_id=row_id)
        if not rows:
            self._failures.clear()
        return [row for row in rows if row.id not in refused]

    async def _mark_all(self) -> None:
        while True:
            await self._stored.wait()
            await asyncio.sleep(MARK_EVERY_S)
            self._stored.clear()
            await self._mark(len(self._marks))

    async def _mark(self, count: int) -> None:
        rows = [self._marks[index] for index in range(count)]
        try:
            await mark_published(self._pool, rows)
        except DATABASE_ERRORS as error:
            log.warning("marks_not_written", rows=count, error=type(error).__name__)
            await asyncio.sleep(MARK_RETRY_S)
            self._stored.set()
            return
        for _ in rows:
            self._marks.popleft()
        self._note_idle()

    def _note_idle(self) -> None:
        if not (self._queue or self._in_flight or self._marks):
            self._idle.set()
