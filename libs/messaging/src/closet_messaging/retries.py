"""Handle messages one at a time, so that a bad one costs only itself, and decide what becomes of it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from closet_chassis.postgres import DATABASE_ERRORS, Pool

from closet_messaging.deliveries import Acknowledger, Delivery
from closet_messaging.inbox import BatchProcessor, handler_name, is_database_at_fault
from closet_messaging.metrics import HANDLED

_READ = """
    SELECT stream_seq, failures, interruptions FROM inbox_attempts
    WHERE stream = $1 AND (event_id, stream_seq) IN (SELECT * FROM unnest($2::uuid[], $3::bigint[]))
"""
# Begun twice for one delivery, it counts once.
_BEGIN = """
    INSERT INTO inbox_attempts AS known (event_id, stream, stream_seq, interruptions, begun_in)
    VALUES ($1, $2, $3, 1, $4)
    ON CONFLICT (event_id, stream, stream_seq) DO UPDATE SET
        interruptions = known.interruptions + (known.begun_in < $4)::int, begun_in = $4, attempted_at = now()
"""
_FAIL = """
    INSERT INTO inbox_attempts AS known (event_id, stream, stream_seq, failures)
    VALUES ($1, $2, $3, 1)
    ON CONFLICT (event_id, stream, stream_seq) DO UPDATE SET
        failures = known.failures + 1, interruptions = known.interruptions - (known.begun_in = $4)::int,
        begun_in = 0, attempted_at = now()
    RETURNING failures
"""


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a message failed, and how often a process ended while it was at it."""

    failures: int = 0
    interruptions: int = 0


async def read_attempts(pool: Pool, deliveries: Sequence[Delivery]) -> Mapping[int, Attempts]:
    """Return the attempts of these messages of one stream, by their sequence in it."""
    ids, sequences = [one.event.id for one in deliveries], [one.sequence for one in deliveries]
    rows = await pool.fetch(_READ, deliveries[0].stream, ids, sequences)
    known = {row["stream_seq"]: Attempts(row["failures"], row["interruptions"]) for row in rows}
    return {sequence: known.get(sequence, Attempts()) for sequence in sequences}


async def begin_attempt(pool: Pool, delivery: Delivery) -> None:
    """Note an attempt before it begins: an interruption, unless it fails or the event is handled."""
    await pool.execute(_BEGIN, delivery.event.id, delivery.stream, delivery.sequence, delivery.attempt)


async def count_failure(pool: Pool, delivery: Delivery) -> int:
    """Note that its handler failed; return how often it has."""
    return int(await pool.fetchval(_FAIL, delivery.event.id, delivery.stream, delivery.sequence, delivery.attempt))


log = structlog.get_logger(__name__)

BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
# Begun alone so often and never finished, a message is what kills the process that handles it.
MAX_INTERRUPTIONS: Final = 10
# A process handles everything else for so long before it begins a message that has ended another process.
SUSPECT_DELAY_S: Final = 5.0
# Delivered so often without a counted failure, a message becomes a dead letter whatever the reason is.
MAX_UNEXPLAINED_DELIVERIES: Final = 50
DATABASE_RETRY_S: Final = 1.0


class Abandoned(Exception):
    """An event was delivered again and again, and no process lived to report why it failed."""


class Retrier:
    """Handles what could not be handled with others.

    Failures are counted in the database, and only they use up the backoff: neither a process that ended for another
    reason nor a database that was away costs an event its attempts.

    Args:
        processor: handles the service's events.
        acknowledger: acknowledges them to the bus.
        backoff_s: seconds to wait after each failure; the failure after the last is final.
        stopping: set once nothing more may be begun.
    """

    def __init__(
        self,
        processor: BatchProcessor,
        acknowledger: Acknowledger,
        backoff_s: Sequence[float],
        stopping: asyncio.Event,
    ) -> None:
        self._processor = processor
        self._acknowledger = acknowledger
        self._backoff_s = backoff_s
        self._stopping = stopping
        self._started = asyncio.get_running_loop().time()

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Handle each in a transaction of its own."""
        for delivery in deliveries:
            await self._handle(delivery)

    async def handle_suspects(self, deliveries: Sequence[Delivery]) -> None:
        """Handle messages that were delivered so often that one of them may be what kills the process.

        Each attempt is noted before it begins, one at a time in the whole process, so that an unfinished attempt names
        the culprit. Messages without unfinished attempts go first, so that they lose nothing by it.
        """
        known = await self._read(deliveries)
        for delivery in sorted(deliveries, key=lambda one: known[one.sequence].interruptions):
            await self._handle_suspect(delivery, known[delivery.sequence])

    async def _handle_suspect(self, delivery: Delivery, known: Attempts) -> None:
        young_s = self._started + SUSPECT_DELAY_S - asyncio.get_running_loop().time()
        if self._stopping.is_set():
            await self._acknowledger.nak(delivery.message)
        elif reason := _reason_to_abandon(delivery, known):
            await self._dead_letter(delivery, Abandoned(reason))
        elif known.interruptions and young_s > 0:
            await self._acknowledger.nak(delivery.message, young_s)
        else:
            async with self._processor.suspect_lock:
                await self._handle(delivery, is_suspect=True)

    async def _read(self, deliveries: Sequence[Delivery]) -> Mapping[int, Attempts]:
        while deliveries and not self._stopping.is_set():
            try:
                return await read_attempts(self._processor.pool, deliveries)
            except DATABASE_ERRORS as error:
                await self._wait_for_database(error)
        return {delivery.sequence: Attempts() for delivery in deliveries}

    async def _handle(self, delivery: Delivery, *, is_suspect: bool = False) -> None:
        while not self._stopping.is_set():
            try:
                if is_suspect:
                    await begin_attempt(self._processor.pool, delivery)
                await self._processor.process_one(delivery.event)
            except Exception as error:  # noqa: BLE001 whatever a handler raises
                if not await is_database_at_fault(self._processor.pool, error):
                    await self._on_failure(delivery, error)
                    return
                await self._wait_for_database(error)
            else:
                await self._acknowledger.ack([delivery.message])
                return
        await self._acknowledger.nak(delivery.message)

    async def _wait_for_database(self, error: Exception) -> None:
        log.warning("database_unavailable", error=type(error).__name__)
        with suppress(TimeoutError):
            async with asyncio.timeout(DATABASE_RETRY_S):
                await self._stopping.wait()

    async def _on_failure(self, delivery: Delivery, error: Exception) -> None:
        try:
            failures = await count_failure(self._processor.pool, delivery)
        except DATABASE_ERRORS:
            log.warning("failure_not_counted", event_id=delivery.event.id, exc_info=error)
            await self._acknowledger.nak(delivery.message, self._backoff_s[0])
            return
        event = delivery.event
        log.error("event_failed", type=event.type, event_id=event.id, failures=failures, exc_info=error)
        if failures > len(self._backoff_s):
            await self._dead_letter(delivery, error)
        else:
            HANDLED.labels(event.type, "failed").inc()
            await self._acknowledger.nak(delivery.message, self._backoff_s[failures - 1])

    async def _dead_letter(self, delivery: Delivery, error: Exception) -> None:
        HANDLED.labels(delivery.event.type, "dead").inc()
        handler = self._processor.handlers[type(delivery.event.data)]
        await self._acknowledger.dead_letter(delivery.message, error, delivery, handler_name(handler))


def _reason_to_abandon(delivery: Delivery, known: Attempts) -> str | None:
    if known.interruptions >= MAX_INTERRUPTIONS:
        return f"its process ended {known.interruptions} times while handling it"
    if delivery.attempt - known.failures > MAX_UNEXPLAINED_DELIVERIES:
        return f"delivered {delivery.attempt} times"
    return None
