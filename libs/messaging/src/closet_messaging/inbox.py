"""The inbox: an event counts once, however often it is delivered.

All events of a batch are claimed and handled in one transaction; whatever the service's consumers deliver while it runs
is the next transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import asyncpg
from closet_chassis.batching import Batcher
from closet_chassis.postgres import DATABASE_ERRORS, Pool
from closet_chassis.telemetry import span_from
from closet_contracts.envelope import Event, EventData
from opentelemetry.trace import SpanKind

from closet_messaging.metrics import BATCH, HANDLED
from closet_messaging.transaction import Connection, OutboxSink, Tx, transaction

Handler = Callable[[Tx, Event[Any]], Awaitable[None]]
"""Handles one event inside a transaction: no ack, no commit, no call to a third party."""

Handlers = Mapping[type[EventData], Handler]
Events = Sequence[Event[Any]]

TRANSACTION_TIMEOUT_S = 30.0
PROBE_TIMEOUT_S = 5.0
# Not the event's fault although the database answers: waiting helps, giving up would not.
_CANNOT_WRITE = (asyncpg.DiskFullError, asyncpg.TooManyConnectionsError, asyncpg.ReadOnlySQLTransactionError)
# Sorted, so that two replicas that were given the same events wait for each other instead of deadlocking.
_CLAIM = """
    INSERT INTO inbox (event_id) SELECT id FROM unnest($1::uuid[]) AS id ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING event_id::text
"""


class BatchProcessor:
    """Handles events of all streams that a service reads, one transaction at a time.

    Transactions side by side would mostly wait for each other: facts about one job come by several streams at nearly
    the same time, and each needs that job's row. Together they cost one commit.
    """

    def __init__(self, pool: Pool, sink: OutboxSink, handlers: Handlers) -> None:
        self.pool = pool
        self.handlers = handlers
        self.suspect_lock = asyncio.Lock()
        """Held while a message is handled that may end the process."""
        self._sink = sink
        self._batches = Batcher[Events, None](self._process)

    async def process_batch(self, events: Events) -> None:
        """Have these handled with whatever else there is; events of one job keep their order.

        Raises:
            Exception: what `handle_batch` raises for these events and no others, or because the database is away.
        """
        await self._batches.submit(events)

    def cancel(self) -> None:
        """Cancel the batch in progress: nothing of it has happened."""
        self._batches.cancel()

    async def process_one(self, event: Event[Any]) -> None:
        """Handle this in a transaction of its own, beside the batches; raises what `handle_batch` raises."""
        await handle_batch(self.pool, self._sink, self.handlers, [event])

    async def _process(self, batches: Sequence[Events]) -> Sequence[None]:
        events = sorted(chain.from_iterable(batches), key=_lock_order)
        BATCH.observe(len(events))
        await handle_batch(self.pool, self._sink, self.handlers, events)
        return [None] * len(batches)


def _lock_order(event: Event[Any]) -> tuple[str, str]:
    """All replicas handle events in this order, so that they lock rows in one order."""
    return event.tenantid, event.correlationid


async def handle_batch(pool: Pool, sink: OutboxSink, handlers: Handlers, events: Events) -> None:
    """Handle `events` in their order, in one transaction, without those that were handled before.

    Raises:
        TimeoutError: it took longer than `TRANSACTION_TIMEOUT_S` seconds.
        Exception: whatever a handler or the database raised. Nothing has happened then, or, if the connection broke
            during the commit, all of it; the inbox tells which, next time.
    """
    async with asyncio.timeout(TRANSACTION_TIMEOUT_S), transaction(pool, sink) as tx:
        fresh = await claim(tx.conn, [event.id for event in events])
        outcomes = [await _handle_once(tx, handlers, event, fresh) for event in events]
    for event, outcome in zip(events, outcomes, strict=True):
        HANDLED.labels(event.type, outcome).inc()


async def claim(conn: Connection, event_ids: Iterable[str]) -> set[str]:
    """Claim events for this transaction; return those that were not handled before.

    Waits for another transaction that holds a claim on one of them, and gets it if that transaction rolls back.
    """
    return {row[0] for row in await conn.fetch(_CLAIM, list(event_ids))}


async def _handle_once(tx: Tx, handlers: Handlers, event: Event[Any], fresh: set[str]) -> str:
    if event.id not in fresh:
        return "duplicate"
    fresh.remove(event.id)  # the same event may be in the batch twice
    attributes = {"messaging.system": "nats", "messaging.message.id": event.id, "closet.job": event.correlationid}
    with span_from(event.traceparent, f"process {event.type}", SpanKind.CONSUMER, attributes):
        await handlers[type(event.data)](tx, event)
    return "handled"


def handler_name(handler: Handler) -> str:
    """Return the name by which an operator finds a handler, also if it was given arguments beforehand."""
    return str(getattr(getattr(handler, "func", handler), "__qualname__", handler))


async def is_database_at_fault(pool: Pool, error: Exception) -> bool:
    """Ask the database whether any event would have failed: an error's class does not tell."""
    if isinstance(error, _CANNOT_WRITE):
        return True
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return bool(await pool.fetchval("SELECT pg_is_in_recovery()"))
    except DATABASE_ERRORS:
        return True
