"""Publishing what was committed to one stream, in order, however long the stream does not take it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from nats.aio.client import Client

from closet_messaging.metrics import PUBLISH_SECONDS
from closet_messaging.publish import GROUP, fits, publish
from closet_messaging.unit import OutboxRow

log = structlog.get_logger(__name__)

RETRY_S = (0.05, 0.1, 0.2, 0.5)


class StreamPublisher:
    """Publishes the rows of one stream, oldest first.

    While the stream refuses, or does not answer, only its oldest row is tried: nothing overtakes it, and a stream that
    is in trouble gets no more work than it takes to see whether it still is.

    Args:
        nc: the connection.
        stream: its name, for logs.
        capacity: how many rows it keeps in memory; more are left to the sweeper.
        on_settled: told after each attempt which rows the bus holds now.
    """

    def __init__(
        self, nc: Client, stream: str, capacity: int, on_settled: Callable[[Sequence[OutboxRow]], None]
    ) -> None:
        self._nc = nc
        self._stream = stream
        self._capacity = capacity
        self._on_settled = on_settled
        self._queue: deque[OutboxRow] = deque()
        self._in_flight = 0
        self._failures = 0
        self._full = False
        self._offered = asyncio.Event()

    @property
    def queued(self) -> int:
        """Rows that wait or are on their way."""
        return len(self._queue) + self._in_flight

    def offer(self, row: OutboxRow) -> None:
        """Publish this after all that was offered before."""
        full = len(self._queue) >= self._capacity
        if full and not self._full:
            log.warning("relay_full", stream=self._stream, queued=len(self._queue))
        self._full = full
        if not full:
            self._queue.append(row)
            self._offered.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._offered.wait()
            self._failures = 0 if await self._publish_group() else self._failures + 1
            if not self._queue:
                self._offered.clear()
            elif self._failures:
                await asyncio.sleep(RETRY_S[min(self._failures, len(RETRY_S)) - 1])

    async def _publish_group(self) -> bool:
        """Whether the bus took all that was tried."""
        group = self._take(1 if self._failures else GROUP)
        stored: Sequence[OutboxRow] = ()
        try:
            if group and self._nc.is_connected:
                with PUBLISH_SECONDS.time():
                    stored = await publish(self._nc, group)
        finally:
            self._settle(group, stored)
        return len(stored) == len(group)

    def _take(self, limit: int) -> list[OutboxRow]:
        """The oldest rows; without those that the bus never takes, which stay in the table."""
        rows = [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]
        group = [row for row in rows if fits(self._nc, row)]
        self._in_flight = len(group)
        return group

    def _settle(self, group: Sequence[OutboxRow], stored: Sequence[OutboxRow]) -> None:
        """What the bus does not hold goes first again."""
        done = {row.id for row in stored}
        self._queue.extendleft(row for row in reversed(group) if row.id not in done)
        self._in_flight = 0
        self._on_settled(stored)
