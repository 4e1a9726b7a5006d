"""Publish rows of the outbox to JetStream, each stored once however often it is tried."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, Final
from uuid import uuid4

import orjson
import structlog
from closet_contracts.codec import CONTENT_TYPE
from nats.aio.client import Client
from nats.errors import Error

from closet_messaging.metrics import PUBLISH_SECONDS, PUBLISHED
from closet_messaging.transaction import OutboxRow

log = structlog.get_logger(__name__)

GROUP: Final = 256
"""The most rows that are handed to a stream at once."""
TIMEOUT_S: Final = 5.0
# With every message flushed to disk an atomic batch costs the server 2.7 ms and 0.03 ms a message; single publishes,
# in flight together, cost 0.3 ms a message. They break even at about eight.
ATOMIC_FROM: Final = 8
_HEADERS_BYTES: Final = 1024  # more than ours ever take


class _Outcome(Enum):
    STORED = auto()
    REFUSED = auto()
    UNANSWERED = auto()


def fits(nc: Client, row: OutboxRow) -> bool:
    """Return whether the bus can take this row at all: a stream must not wait for a row that it never takes."""
    if len(row.payload) + _HEADERS_BYTES <= nc.max_payload:
        return True
    log.error("event_too_large", event_id=row.id, type=row.subject, bytes=len(row.payload), most=nc.max_payload)
    return False


async def publish(nc: Client, rows: Sequence[OutboxRow]) -> Sequence[OutboxRow]:
    """Publish `rows` of one stream in their order; return those that the bus now holds.

    Never raises for what the bus does: rows that are missing from the answer are to be published again. A row whose
    acknowledgement was lost is recognised by its message id and not stored twice.
    """
    if len(rows) < ATOMIC_FROM:
        return await _singles(nc, rows)
    outcome = await _atomic(nc, rows)
    if outcome is _Outcome.STORED:
        PUBLISHED.labels("batch").inc(len(rows))
        return rows
    if outcome is _Outcome.UNANSWERED:
        return []
    # The stream refuses the batch, because it holds some of it or takes no batches, or it refuses everything. The
    # oldest row tells, before later ones could overtake it.
    first = await _singles(nc, rows[:1])
    return [*first, *await _singles(nc, rows[1:])] if first else []


async def _singles(nc: Client, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    outcomes = await asyncio.gather(*(_single(nc, row) for row in rows))
    stored = [row for row, ok in zip(rows, outcomes, strict=True) if ok]
    PUBLISHED.labels("single").inc(len(stored))
    return stored


async def _atomic(nc: Client, rows: Sequence[OutboxRow]) -> _Outcome:
    """All or nothing (ADR-50 of NATS). A batch that holds a message the stream already has is refused."""
    batch = uuid4().hex
    try:
        for number, row in enumerate(rows[:-1], start=1):
            await nc.publish(row.subject, row.payload, headers=_headers(row) | _member(batch, number))
        commit = _member(batch, len(rows)) | {"Nats-Batch-Commit": "1"}
        answer = await _acknowledged(nc, rows[-1], commit)
    except (Error, OSError) as error:
        log.warning("batch_not_acknowledged", rows=len(rows), error=type(error).__name__)
        return _Outcome.UNANSWERED
    if "error" in answer:
        log.info("batch_refused", rows=len(rows), reason=answer["error"].get("description"))
    return _Outcome.STORED if answer.get("count") == len(rows) else _Outcome.REFUSED


async def _single(nc: Client, row: OutboxRow) -> bool:
    try:
        answer = await _acknowledged(nc, row, {})
    except (Error, OSError) as error:
        log.warning("event_not_acknowledged", event_id=row.id, type=row.subject, error=type(error).__name__)
        return False
    if "error" in answer:
        reason = answer["error"].get("description")
        log.warning("event_refused", event_id=row.id, type=row.subject, reason=reason)
        return False
    return True  # also when it says "duplicate": an earlier try arrived


async def _acknowledged(nc: Client, row: OutboxRow, extra: dict[str, str]) -> dict[str, Any]:
    message = await nc.request(row.subject, row.payload, TIMEOUT_S, headers=_headers(row) | extra)
    answer: dict[str, Any] = orjson.loads(message.data)
    return answer


def _member(batch: str, number: int) -> dict[str, str]:
    return {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}


def _headers(row: OutboxRow) -> dict[str, str]:
    headers = {
        "Nats-Msg-Id": f"{row.id}.r{row.replays}" if row.replays else row.id,
        "Content-Type": CONTENT_TYPE,
    }
    if row.traceparent:
        headers["traceparent"] = row.traceparent
    return headers


RETRY_S = (0.05, 0.1, 0.2, 0.5)


class StreamPublisher:
    """Publishes the rows of one stream, oldest first.

    While the stream refuses, or does not answer, only its oldest row is tried: nothing overtakes it, and a stream that
    is in trouble gets no more work than it takes to see whether it still is.

    Args:
        nc: the connection.
        stream: its name, for logs.
        capacity: how many rows it keeps in memory; more are left to the sweeper.
        on_settled: called after each attempt with the rows that the bus now holds.
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
        self._enqueued = asyncio.Event()

    @property
    def queued(self) -> int:
        """The number of rows that wait or are on their way."""
        return len(self._queue) + self._in_flight

    def enqueue(self, row: OutboxRow) -> None:
        """Publish this after all that was enqueued before."""
        full = len(self._queue) >= self._capacity
        if full and not self._full:
            log.warning("relay_full", stream=self._stream, queued=len(self._queue))
        self._full = full
        if not full:
            self._queue.append(row)
            self._enqueued.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._enqueued.wait()
            self._failures = 0 if await self._publish_group() else self._failures + 1
            if not self._queue:
                self._enqueued.clear()
            elif self._failures:
                await asyncio.sleep(RETRY_S[min(self._failures, len(RETRY_S)) - 1])

    async def _publish_group(self) -> bool:
        """Return whether the bus took all that was tried."""
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
        """Take the oldest rows, without those that the bus never takes, which stay in the table."""
        rows = [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]
        group = [row for row in rows if fits(self._nc, row)]
        self._in_flight = len(group)
        return group

    def _settle(self, group: Sequence[OutboxRow], stored: Sequence[OutboxRow]) -> None:
        """Put what the bus does not hold first in the queue again."""
        done = {row.id for row in stored}
        self._queue.extendleft(row for row in reversed(group) if row.id not in done)
        self._in_flight = 0
        self._on_settled(stored)
