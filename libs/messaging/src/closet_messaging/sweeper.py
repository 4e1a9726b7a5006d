"""The sweeper: publish what a replica committed and did not live to publish, and delete old rows."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from closet_chassis.postgres import DATABASE_ERRORS, Pool, affected
from closet_contracts.ownership import Service
from nats.aio.client import Client

from closet_messaging.metrics import OLDEST, UNPUBLISHED
from closet_messaging.publish import GROUP, fits, publish
from closet_messaging.relay import mark_published
from closet_messaging.streams import MAX_AGE, published_by
from closet_messaging.transaction import OutboxRow

OVERDUE = timedelta(seconds=5)
"""A younger row is left to the replica that committed it."""

# What is published anew was in time once; how long ago that was says nothing of today.
_READ_OVERDUE = """
    SELECT split_part(subject, '.', 2) AS noun, count(*) AS count,
        coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE replays = 0)), 0)::float8 AS oldest_s
    FROM outbox WHERE published_at IS NULL AND created_at < now() - $1::interval
    GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class OverdueEvents:
    """The overdue events of one noun."""

    count: int
    oldest_s: float


async def read_overdue(pool: Pool) -> Mapping[str, OverdueEvents]:
    """Return the overdue events of a database, by noun."""
    rows = await pool.fetch(_READ_OVERDUE, OVERDUE)
    return {row["noun"]: OverdueEvents(row["count"], row["oldest_s"]) for row in rows}


class OverdueMonitor:
    """A service's overdue events, as last measured.

    Args:
        service: whose.
        limit_s: once an event has waited for so long, its stream is taken for stalled.
    """

    def __init__(self, service: Service, limit_s: float) -> None:
        self._limit_s = limit_s
        self._streams = {stream.noun: stream.name for stream in published_by(service)}
        self._oldest_s = dict.fromkeys(self._streams, 0.0)

    @property
    def is_stalled(self) -> bool:
        """True if an event of any stream has waited for too long."""
        return any(age_s > self._limit_s for age_s in self._oldest_s.values())

    async def measure(self, pool: Pool) -> Collection[str]:
        """Measure again; return the nouns that have overdue events."""
        found = await read_overdue(pool)
        UNPUBLISHED.set(sum(waiting.count for waiting in found.values()))
        for noun, stream in self._streams.items():
            self._oldest_s[noun] = found[noun].oldest_s if noun in found else 0.0
            OLDEST.labels(stream).set(self._oldest_s[noun])
        return found.keys()

    async def check(self) -> str | None:
        """Return, for readiness, a sentence about the streams that are stalled, or None."""
        stalled = {self._streams[noun]: age_s for noun, age_s in self._oldest_s.items() if age_s > self._limit_s}
        return (
            "; ".join(f"{name}: the oldest event has waited {age_s:.0f} s" for name, age_s in stalled.items()) or None
        )


log = structlog.get_logger(__name__)

EVERY_S = 2.0
CLEAN_EVERY_S = 600.0
CLEAN_ROWS = 5_000
REPLAY_ROWS = 5_000
KEEP_PUBLISHED = timedelta(days=1)
# As long as the bus can still deliver an event that was handled: it may be replayed from the outbox on that row's
# last day, and then lives as long as its stream keeps messages. One more day for cleaning that comes late.
KEEP_HANDLED = KEEP_PUBLISHED + MAX_AGE + timedelta(days=1)

# One sweeper of a stream in a database. Held to the end of the transaction, or of the process, whichever comes first.
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('outbox.' || $1, 0))"
_OVERDUE = """
    SELECT id::text, subject, payload, traceparent, replays FROM outbox
    WHERE published_at IS NULL AND created_at < now() - $1::interval AND split_part(subject, '.', 2) = $2
    ORDER BY id LIMIT $3
"""
# By groups: a day's rows in one statement would take longer than a statement may.
_REPLAY = """
    UPDATE outbox SET published_at = NULL, replays = replays + 1 WHERE id IN (
        SELECT id FROM outbox WHERE id > $1 AND published_at >= $2 ORDER BY id LIMIT $3)
    RETURNING id
"""
# Ids are in order of time: what is old is at the beginning of the primary key, and no other index is needed.
_CLEAN_OUTBOX = """
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox WHERE id < $1 AND published_at < now() - $2::interval ORDER BY id LIMIT $3)
"""
_CLEAN_INBOX = """
    DELETE FROM inbox WHERE event_id IN (
        SELECT event_id FROM inbox WHERE event_id < $1 AND handled_at < now() - $2::interval ORDER BY event_id LIMIT $3)
"""
# A message is delivered for no longer than its event would be handled.
_CLEAN_ATTEMPTS = """
    DELETE FROM inbox_attempts WHERE (event_id, stream, stream_seq) IN (
        SELECT event_id, stream, stream_seq FROM inbox_attempts
        WHERE event_id < $1 AND attempted_at < now() - $2::interval ORDER BY event_id LIMIT $3)
"""
_CLEAN = ((_CLEAN_OUTBOX, KEEP_PUBLISHED), (_CLEAN_INBOX, KEEP_HANDLED), (_CLEAN_ATTEMPTS, KEEP_HANDLED))


async def replay_outbox(pool: Pool, since: datetime) -> int:
    """Mark all that was published since then for publishing again, after the bus lost its disk; return how many.

    The outbox keeps what was published within the last day. Services that have handled an event ignore its copy.
    """
    count, last = 0, UUID(int=0)
    while rows := await pool.fetch(_REPLAY, last, since, REPLAY_ROWS):
        count, last = count + len(rows), max(row["id"] for row in rows)
    return count


async def delete_old_rows(pool: Pool) -> int:
    """Delete rows that nothing can need any more; return how many."""
    deleted = 0
    for sql, keep in _CLEAN:
        rows = CLEAN_ROWS
        while rows == CLEAN_ROWS:
            rows = affected(await pool.execute(sql, _first_id(datetime.now(UTC) - keep), keep, CLEAN_ROWS))
            deleted += rows
    return deleted


class Sweeper:
    """Publishes overdue rows every few seconds; any number of replicas may run a sweeper.

    Each stream is swept by itself, so that one that takes nothing holds up no other. While it takes nothing, only its
    oldest row is tried.
    """

    def __init__(self, pool: Pool, nc: Client, overdue: OverdueMonitor) -> None:
        self._pool = pool
        self._nc = nc
        self._overdue = overdue
        self._sweeps: dict[str, asyncio.Task[None]] = {}
        self._refusing: set[str] = set()
        self._cleaned_at = 0.0

    async def run(self) -> None:
        """Sweep and clean until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    await self._round(tasks)
                except DATABASE_ERRORS as error:
                    log.warning("sweep_failed", error=type(error).__name__)
                await asyncio.sleep(EVERY_S)

    async def _round(self, tasks: asyncio.TaskGroup) -> None:
        for noun in await self._overdue.measure(self._pool):
            if noun not in self._sweeps:
                self._sweeps[noun] = tasks.create_task(self._sweep_all(noun), name=f"sweep-{noun}")
        now = asyncio.get_running_loop().time()
        if now - self._cleaned_at > CLEAN_EVERY_S:
            self._cleaned_at = now
            await delete_old_rows(self._pool)

    async def _sweep_all(self, noun: str) -> None:
        try:
            while await self.sweep(noun):
                pass
        except DATABASE_ERRORS as error:
            log.warning("sweep_failed", noun=noun, error=type(error).__name__)
        finally:
            del self._sweeps[noun]

    async def sweep(self, noun: str) -> int:
        """Publish one group of a stream's overdue rows, unless another replica is at it; how many were published."""
        if not self._nc.is_connected:
            return 0
        async with self._pool.acquire() as conn, conn.transaction():
            if not await conn.fetchval(_TRY_LOCK, noun):
                return 0
            limit = 1 if noun in self._refusing else GROUP
            found = [OutboxRow(*record) for record in await conn.fetch(_OVERDUE, OVERDUE, noun, limit)]
            rows = [row for row in found if fits(self._nc, row)]
            stored = await publish(self._nc, rows)
            if stored:
                await mark_published(conn, stored)
        self._note_refusal(noun, len(rows), len(stored))
        return len(stored)

    def _note_refusal(self, noun: str, rows: int, stored: int) -> None:
        log.info("swept", noun=noun, rows=rows, published=stored)
        if stored < rows:
            self._refusing.add(noun)
        else:
            self._refusing.discard(noun)


def _first_id(moment: datetime) -> UUID:
    """The least UUIDv7 of that millisecond (RFC 9562)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
