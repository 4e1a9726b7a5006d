"""Handling events: one transaction for all, in which each counts once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import asyncpg
from closet_chassis.postgres import DATABASE_ERRORS, Pool
from closet_chassis.telemetry import span_from
from closet_contracts.envelope import Event, EventData
from opentelemetry.trace import SpanKind

from closet_messaging.inbox import claim
from closet_messaging.metrics import HANDLED
from closet_messaging.unit import Offer, Tx, transaction

Handler = Callable[[Tx, Event[Any]], Awaitable[None]]
"""Handles one event inside a transaction: no ack, no commit, no call to a third party."""

Handlers = Mapping[type[EventData], Handler]

UNIT_S = 30.0
PROBE_S = 5.0
# Not the event's fault although the database answers: waiting helps, giving up would not.
_CANNOT_WRITE = (asyncpg.DiskFullError, asyncpg.TooManyConnectionsError, asyncpg.ReadOnlySQLTransactionError)


async def handle(pool: Pool, relay: Offer, handlers: Handlers, events: Sequence[Event[Any]]) -> None:
    """Handle `events` in their order, in one transaction; those that were handled before are left out.

    Raises:
        TimeoutError: it took longer than `UNIT_S` seconds.
        Exception: whatever a handler or the database raised. Nothing has happened then, or, if the connection broke
            during the commit, all of it; the inbox tells which, next time.
    """
    async with asyncio.timeout(UNIT_S), transaction(pool, relay) as tx:
        fresh = await claim(tx.conn, [event.id for event in events])
        outcomes = [await _once(tx, handlers, event, fresh) for event in events]
    for event, outcome in zip(events, outcomes, strict=True):
        HANDLED.labels(event.type, outcome).inc()


async def _once(tx: Tx, handlers: Handlers, event: Event[Any], fresh: set[str]) -> str:
    if event.id not in fresh:
        return "duplicate"
    fresh.remove(event.id)  # the same event may be in the batch twice
    attributes = {"messaging.system": "nats", "messaging.message.id": event.id, "closet.job": event.correlationid}
    with span_from(event.traceparent, f"process {event.type}", SpanKind.CONSUMER, attributes):
        await handlers[type(event.data)](tx, event)
    return "handled"


def name_of(handler: Handler) -> str:
    """What an operator finds a handler by; also of one that was given its arguments beforehand."""
    return str(getattr(getattr(handler, "func", handler), "__qualname__", handler))


async def database_is_at_fault(pool: Pool, error: Exception) -> bool:
    """Would any event have failed? Asked of the database itself: an error's class does not tell."""
    if isinstance(error, _CANNOT_WRITE):
        return True
    try:
        async with asyncio.timeout(PROBE_S):
            return bool(await pool.fetchval("SELECT pg_is_in_recovery()"))
    except DATABASE_ERRORS:
        return True
