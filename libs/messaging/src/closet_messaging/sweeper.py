"""The sweeper: publishes what a replica committed and did not live to publish, and throws old rows away."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from closet_chassis.postgres import DATABASE_ERRORS, Pool
from nats.aio.client import Client

from closet_messaging.overdue import OVERDUE, Overdue
from closet_messaging.publish import GROUP, fits, publish
from closet_messaging.relay import mark_published
from closet_messaging.streams import MAX_AGE
from closet_messaging.unit import OutboxRow

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


async def replay(pool: Pool, since: datetime) -> int:
    """Have all that was published since then published again, for a bus that lost its disk; returns how many.

    The outbox keeps what was published within the last day. Services that have handled an event ignore its copy.
    """
    count, last = 0, UUID(int=0)
    while rows := await pool.fetch(_REPLAY, last, since, REPLAY_ROWS):
        count, last = count + len(rows), max(row["id"] for row in rows)
    return count


async def clean(pool: Pool) -> int:
    """Delete rows that nothing can ask for any more; returns how many."""
    deleted = 0
    for sql, keep in _CLEAN:
        rows = CLEAN_ROWS
        while rows == CLEAN_ROWS:
            rows = _affected(await pool.execute(sql, _first_id(datetime.now(UTC) - keep), keep, CLEAN_ROWS))
            deleted += rows
    return deleted


class Sweeper:
    """Looks for overdue rows every few seconds; any number of replicas may run one.

    Each stream is swept by itself, so that one that takes nothing holds up no other. While it takes nothing, only its
    oldest row is tried.
    """

    def __init__(self, pool: Pool, nc: Client, overdue: Overdue) -> None:
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
        for noun in await self._overdue.look(self._pool):
            if noun not in self._sweeps:
                self._sweeps[noun] = tasks.create_task(self._sweep_all(noun), name=f"sweep-{noun}")
        now = asyncio.get_running_loop().time()
        if now - self._cleaned_at > CLEAN_EVERY_S:
            self._cleaned_at = now
            await clean(self._pool)

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
        self._note(noun, len(rows), len(stored))
        return len(stored)

    def _note(self, noun: str, rows: int, stored: int) -> None:
        log.info("swept", noun=noun, rows=rows, published=stored)
        if stored < rows:
            self._refusing.add(noun)
        else:
            self._refusing.discard(noun)


def _first_id(moment: datetime) -> UUID:
    """The least UUIDv7 of that millisecond (RFC 9562)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _affected(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
