"""Handling messages one at a time, so that a bad one costs only itself, and deciding what becomes of it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog
from closet_chassis.postgres import DATABASE_ERRORS

from closet_messaging import attempts
from closet_messaging.attempts import Attempts
from closet_messaging.delivery import Delivery
from closet_messaging.desk import Desk
from closet_messaging.handling import database_is_at_fault, name_of
from closet_messaging.metrics import HANDLED
from closet_messaging.verdicts import Verdicts

log = structlog.get_logger(__name__)

BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
# Begun so often, alone, and never ended: it kills the process that handles it.
INTERRUPTIONS: Final = 10
# Once it has ended a process, the next has so much time for everything else before it is begun again.
HARMLESS_FIRST_S: Final = 5.0
# Delivered so often without a failure that anybody lived to tell of: whatever the reason is, there is an end to it.
ABANDON_AFTER: Final = 50
HOLD_S: Final = 1.0


class Abandoned(Exception):
    """An event was delivered again and again, and no process lived to say why it failed."""


class Retrier:
    """Handles what could not be handled with others.

    Failures are counted in the database, and only they use up the backoff: neither a process that ended for another
    reason nor a database that was away costs an event its attempts.

    Args:
        desk: where the service's events are handled.
        verdicts: how the bus is told.
        backoff_s: how long to wait after each failure; the one after the last is final.
        stopping: set when no more is to be begun.
    """

    def __init__(self, desk: Desk, verdicts: Verdicts, backoff_s: Sequence[float], stopping: asyncio.Event) -> None:
        self._desk = desk
        self._verdicts = verdicts
        self._backoff_s = backoff_s
        self._stopping = stopping
        self._started = asyncio.get_running_loop().time()

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Handle each in a transaction of its own."""
        for delivery in deliveries:
            await self._handle(delivery)

    async def handle_suspects(self, deliveries: Sequence[Delivery]) -> None:
        """Handle those that have come so often that one of them may be what kills the process.

        Each is noted before it is begun, one at a time in the whole process, so that a note without an end names the
        culprit. Those without such a note go first, so that they lose nothing by it.
        """
        known = await self._read(deliveries)
        for delivery in sorted(deliveries, key=lambda one: known[one.number].interruptions):
            await self._handle_suspect(delivery, known[delivery.number])

    async def _handle_suspect(self, delivery: Delivery, known: Attempts) -> None:
        young_s = self._started + HARMLESS_FIRST_S - asyncio.get_running_loop().time()
        if self._stopping.is_set():
            await self._verdicts.again(delivery.message)
        elif reason := _reason_to_abandon(delivery, known):
            await self._bury(delivery, Abandoned(reason))
        elif known.interruptions and young_s > 0:
            await self._verdicts.again(delivery.message, young_s)
        else:
            async with self._desk.suspects:
                await self._handle(delivery, is_suspect=True)

    async def _read(self, deliveries: Sequence[Delivery]) -> Mapping[int, Attempts]:
        while deliveries and not self._stopping.is_set():
            try:
                return await attempts.read(self._desk.pool, deliveries)
            except DATABASE_ERRORS as error:
                await self._hold(error)
        return {delivery.number: Attempts() for delivery in deliveries}

    async def _handle(self, delivery: Delivery, *, is_suspect: bool = False) -> None:
        while not self._stopping.is_set():
            try:
                if is_suspect:
                    await attempts.begin(self._desk.pool, delivery)
                await self._desk.alone(delivery.event)
            except Exception as error:  # noqa: BLE001 whatever a handler raises
                if not await database_is_at_fault(self._desk.pool, error):
                    await self._failed(delivery, error)
                    return
                await self._hold(error)
            else:
                await self._verdicts.done([delivery.message])
                return
        await self._verdicts.again(delivery.message)

    async def _hold(self, error: Exception) -> None:
        log.warning("database_away", error=type(error).__name__)
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD_S):
                await self._stopping.wait()

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        try:
            failures = await attempts.fail(self._desk.pool, delivery)
        except DATABASE_ERRORS:
            log.warning("failure_not_counted", event_id=delivery.event.id, exc_info=error)
            await self._verdicts.again(delivery.message, self._backoff_s[0])
            return
        event = delivery.event
        log.error("event_failed", type=event.type, event_id=event.id, failures=failures, exc_info=error)
        if failures > len(self._backoff_s):
            await self._bury(delivery, error)
        else:
            HANDLED.labels(event.type, "failed").inc()
            await self._verdicts.again(delivery.message, self._backoff_s[failures - 1])

    async def _bury(self, delivery: Delivery, error: Exception) -> None:
        HANDLED.labels(delivery.event.type, "dead").inc()
        handler = self._desk.handlers[type(delivery.event.data)]
        await self._verdicts.bury(delivery.message, error, delivery, name_of(handler))


def _reason_to_abandon(delivery: Delivery, known: Attempts) -> str | None:
    if known.interruptions >= INTERRUPTIONS:
        return f"its process ended {known.interruptions} times while handling it"
    if delivery.attempt - known.failures > ABANDON_AFTER:
        return f"delivered {delivery.attempt} times"
    return None
