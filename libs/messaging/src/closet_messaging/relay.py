"""The relay: publish what has just been committed, at once, each stream by itself."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog
from closet_chassis.postgres import DATABASE_ERRORS, Pool
from closet_contracts.ownership import Service, noun_of
from nats.aio.client import Client

from closet_messaging.metrics import QUEUED
from closet_messaging.publish import StreamPublisher
from closet_messaging.streams import published_by
from closet_messaging.transaction import Connection, OutboxRow

log = structlog.get_logger(__name__)

CAPACITY = 20_000
MARK_EVERY_S = 0.1
MARK_RETRY_S = 1.0

_MARK = "UPDATE outbox SET published_at = now() WHERE id = ANY($1::uuid[])"


async def mark_published(where: "Pool | Connection", rows: Sequence[OutboxRow]) -> None:
    """Note that the bus holds these rows."""
    await where.execute(_MARK, [row.id for row in rows])


class Relay:
    """Publishes committed rows, those of each stream oldest first, for as long as it takes.

    Streams do not wait for each other: each has a queue, failures and a backoff of its own. Marks of all are written a
    little later, together; one that is lost costs a second publish, which the bus recognises.

    No row is lost: what finds no room in memory, what the bus does not take, and what is still here when the process
    dies stays unpublished in the table, where a sweeper finds it.

    Args:
        pool: the service's database.
        nc: the connection.
        service: whose events; it publishes to the streams of its own nouns and to no other.
        capacity: rows of one stream that are kept in memory.
    """

    def __init__(self, pool: Pool, nc: Client, service: Service, capacity: int = CAPACITY) -> None:
        self.service: Final = service
        self._pool = pool
        self._publishers = {
            stream.noun: StreamPublisher(nc, stream.name, capacity, self._on_settled)
            for stream in published_by(service)
        }
        self._marks: deque[OutboxRow] = deque()
        self._stored = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued(self) -> int:
        """The number of rows that wait for publishing or are on their way to the bus."""
        return sum(publisher.queued for publisher in self._publishers.values())

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        """Take rows that have just been committed; never fails, never waits."""
        self._idle.clear()
        for row in rows:
            self._publishers[noun_of(row.subject)].enqueue(row)
        self._update_idle()

    async def run(self) -> None:
        """Publish and mark until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for noun, publisher in self._publishers.items():
                tasks.create_task(publisher.run(), name=f"relay-publish-{noun}")
            tasks.create_task(self._mark_all(), name="relay-mark")

    async def flush(self, timeout_s: float) -> bool:
        """Wait until everything enqueued is published and marked; False if that takes too long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning("relay_not_flushed", unpublished=self.queued, unmarked=len(self._marks))
            return False
        return True

    def _on_settled(self, stored: Sequence[OutboxRow]) -> None:
        self._marks.extend(stored)
        if self._marks:
            self._stored.set()
        self._update_idle()

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
        self._update_idle()

    def _update_idle(self) -> None:
        QUEUED.set(self.queued)
        if not (self.queued or self._marks):
            self._idle.set()
