"""Recovery: a database that was restored from a backup is brought up to what the streams hold.

Everything since the backup is read first, then taken one by one, each in a transaction, in the order in which it was
handled: the service's own events go back into its outbox as published, others' to the handlers they went to. What a
handler tells anew is dropped where the bus holds it; the rest is published once the service runs. No worker runs, and
nobody is called. Killed half-way and begun anew it goes on where it was.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import structlog
from asyncpg import Record
from closet_chassis.postgres import Pool
from closet_contracts.codec import decode
from closet_contracts.envelope import Event, EventData
from closet_contracts.ownership import Service
from closet_messaging.dead_letters import summarise
from closet_messaging.inbox import Handler, Handlers, claim
from closet_messaging.streams import MAX_AGE
from closet_messaging.transaction import HANDLED_AT, OutboxRow, Tx, transaction
from nats.js import JetStreamContext

from closet_recovery.history import read_history

log = structlog.get_logger(__name__)

MARGIN = timedelta(hours=1)
"""So much more is read: what came before the backup and was handled after it."""
EMITTED = "emitted"
"""In `Tx.memo`, for a service's handlers: the types that were emitted because of this event the first time."""

_AT_ONCE = 200
_NEWEST = "SELECT greatest((SELECT max(created_at) FROM outbox), (SELECT max(handled_at) FROM inbox))"
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""
_BEGIN = """
    INSERT INTO recovery (since) VALUES ($1)
    ON CONFLICT (one) DO UPDATE SET since = $1, read_at = NULL, finished_at = NULL
"""
_NEXT = """
    SELECT event_id, own, payload, at FROM recovery_events WHERE taken_at IS NULL AND event_id <> ALL($1::uuid[])
    ORDER BY at, own, event_id LIMIT $2
"""
_PUT_BACK = """
    INSERT INTO outbox (id, subject, payload, traceparent, created_at, published_at) VALUES ($1, $2, $3, $4, $5, now())
    ON CONFLICT (id) DO UPDATE SET published_at = coalesce(outbox.published_at, now()) RETURNING xmax = 0
"""


class CannotRecover(Exception):
    """The arguments are wrong, or what is needed is not there; nothing has happened."""


class Diverged(Exception):
    """Handled again, the event has other effects than the first time; its transaction is rolled back."""


async def _no_notes(_tx: Tx) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How one service recovers.

    `facts` restore what the service itself had published, each idempotent. `finish` settles, in the last transaction,
    what cannot be known, and returns in words what an operator has to do.
    """

    service: Service
    handlers: Handlers
    facts: Mapping[type[EventData], Handler] = field(default_factory=dict)
    finish: Callable[[Tx], Awaitable[Sequence[str]]] = _no_notes


@dataclass(slots=True)
class Report:
    """What was done. `failed`: the events that could not be applied, by id, with the reason."""

    read: int = 0
    restored: int = 0
    handled: int = 0
    known: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _NoSink:
    """Nothing is published from here: the service's sweeper does that once it runs."""

    service: Service

    def enqueue(self, rows: Sequence[OutboxRow]) -> None: ...


async def recover(js: JetStreamContext, pool: Pool, plan: Plan, since: datetime, *, leave_failed: bool) -> Report:
    """Bring the database up to the bus; `leave_failed` finishes even if some events could not be taken.

    Raises:
        CannotRecover: the moment is out of range, or a replica is running.
    """
    if await pool.fetchval(_OTHERS):
        raise CannotRecover("others are connected to this database: stop all replicas first")
    report = Report()
    if not await pool.fetchval("SELECT read_at FROM recovery WHERE finished_at IS NULL"):
        await _check(pool, since)
        await pool.execute(_BEGIN, since)
        await pool.execute("DELETE FROM recovery_events")
        report.read = await read_history(js, pool, plan.service, since - MARGIN)
        await pool.execute("UPDATE recovery SET read_at = now()")
    await _take_all(pool, plan, report)
    if not report.failed or leave_failed:
        report.notes = await _finish(pool, plan)
    return report


async def _check(pool: Pool, since: datetime) -> None:
    oldest, newest = datetime.now(UTC) - MAX_AGE, await pool.fetchval(_NEWEST)
    if since - MARGIN < oldest:
        raise CannotRecover(f"the streams keep {MAX_AGE.days} days: --since has to be after {oldest + MARGIN}")
    if newest is not None and since - MARGIN > newest:
        raise CannotRecover(f"--since is too late: the newest row of this database is of {newest.isoformat()}")


async def _take_all(pool: Pool, plan: Plan, report: Report) -> None:
    """In order; what fails is tried again after the rest, for as long as that gets any further."""
    failed: dict[str, str] = {}
    while True:
        before = set(failed)
        failed.clear()
        while rows := await pool.fetch(_NEXT, list(failed), _AT_ONCE):
            for row in rows:
                if error := await _take(pool, plan, row, report):
                    failed[str(row["event_id"])] = error
        if not failed or failed.keys() == before:
            break
    report.failed = failed


async def _take(pool: Pool, plan: Plan, row: Record, report: Report) -> str | None:
    event = decode(row["payload"])
    try:
        async with transaction(pool, _NoSink(plan.service)) as tx:
            tx.memo[HANDLED_AT] = row["at"]
            outcome = await (_put_back if row["own"] else _handle)(tx, plan, event, row["payload"])
            await tx.conn.execute("UPDATE recovery_events SET taken_at = now() WHERE event_id = $1", row["event_id"])
    except Exception as error:  # noqa: BLE001 whatever a handler raises; the operator is told of it
        return f"{event.type}: {summarise(error)}"
    setattr(report, outcome, getattr(report, outcome) + 1)
    return None


async def _put_back(tx: Tx, plan: Plan, event: Event[Any], payload: bytes) -> str:
    is_new = await tx.conn.fetchval(_PUT_BACK, event.id, event.type, payload, event.traceparent, event.time)
    restore = plan.facts.get(type(event.data))
    if is_new and restore is not None:
        await restore(tx, event)
    return "restored" if is_new else "known"


async def _handle(tx: Tx, plan: Plan, event: Event[Any], _payload: bytes) -> str:
    if not await claim(tx.conn, [event.id]):
        return "known"
    emitted = {
        row["thing"]
        for row in await tx.conn.fetch("SELECT thing FROM recovery_events WHERE own AND cause = $1::uuid", event.id)
    }
    tx.memo[EMITTED] = {thing.split(" ")[0] for thing in emitted}
    await plan.handlers[type(event.data)](tx, event)
    tx.run_before_commit()
    tx.outbox[:] = [row for row in tx.outbox if _thing(row) not in emitted]
    return "handled"


def _thing(row: OutboxRow) -> str:
    return f"{row.subject} {orjson.loads(row.payload)['subject']}"


async def _finish(pool: Pool, plan: Plan) -> Sequence[str]:
    async with transaction(pool, _NoSink(plan.service)) as tx:
        notes = await plan.finish(tx)
        await tx.conn.execute("UPDATE recovery SET finished_at = now()")
        await tx.conn.execute("DELETE FROM recovery_events")
    return notes
