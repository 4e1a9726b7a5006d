"""The transaction of a unit of work, and what happens at its end."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

import asyncpg
from closet_chassis.postgres import Pool
from closet_contracts.ownership import Service

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


HANDLED_AT = "handled at"
"""In `Tx.memo`; see `Tx.now`."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An event on its way from the database to the bus."""

    id: str
    subject: str
    payload: bytes
    traceparent: str | None = None
    replays: int = 0


class OutboxSink(Protocol):
    """Takes rows that have just been committed: the relay."""

    @property
    def service(self) -> Service:
        """The service that publishes the rows; the bus takes its own events and no others."""

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        """Take the rows; never fails, never waits."""


@dataclass(slots=True)
class Tx:
    """A connection in a transaction, and what to do at its end."""

    conn: Connection
    service: Service
    """The service whose unit of work it is: only its own events may be emitted."""
    outbox: list[OutboxRow] = field(default_factory=list)
    memo: dict[str, Any] = field(default_factory=dict)
    """What handlers of this unit remember for each other, such as rows they have locked and changed."""
    _last: dict[str, Callable[[], None]] = field(default_factory=dict)
    _deferred: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    _hooks: dict[Callable[[], None], None] = field(default_factory=dict)

    def now(self) -> datetime:
        """Return the time at which events count as handled: now, or in a recovery, the time of the first handling."""
        moment: datetime | None = self.memo.get(HANDLED_AT)
        return moment or datetime.now(UTC)

    def defer(self, sql: str, *args: object) -> None:
        """Write a row right before the commit, together with all others of the same statement.

        For appends and monotonic upserts that nobody reads inside this transaction. Statements run in
        the order in which each was first deferred.
        """
        self._deferred.setdefault(sql, []).append(args)

    def before_commit(self, key: str, step: Callable[[], None]) -> None:
        """Call `step` once, before the deferred writes; a later step of the same key takes the earlier one's place.

        For facts of which only the last matters, such as a balance that a batch changes many times.
        """
        self._last[key] = step

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` once after the commit, however often it is registered; never after a rollback."""
        self._hooks[hook] = None

    def run_before_commit(self) -> None:
        """Run the steps of `before_commit` now; steps that are registered later still run at the end."""
        last, self._last = self._last, {}
        for step in last.values():
            step()

    async def flush(self) -> None:
        """Write what was deferred, then the outbox, each in one statement. `transaction` calls it."""
        self.run_before_commit()
        deferred, self._deferred = self._deferred, {}
        for sql, rows in deferred.items():
            await self.conn.executemany(sql, rows)
        if self.outbox:
            await self.conn.execute(
                _INSERT,
                [row.id for row in self.outbox],
                [row.subject for row in self.outbox],
                [row.payload for row in self.outbox],
                [row.traceparent for row in self.outbox],
            )

    def run_after_commit(self, sink: OutboxSink) -> None:
        """Hand the rows on and run the hooks. `transaction` calls it."""
        if self.outbox:
            sink.enqueue(self.outbox)
        for hook in self._hooks:
            hook()


_INSERT = """
    INSERT INTO outbox (id, subject, payload, traceparent)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[])
"""


@asynccontextmanager
async def transaction(pool: Pool, sink: OutboxSink) -> AsyncIterator[Tx]:
    """Begin; yield; write what was deferred and the outbox; commit; then hand the rows to the sink.

    Raises:
        asyncpg.PostgresError: whatever the database refuses; then nothing is written or published.
    """
    async with pool.acquire() as conn:
        tx = Tx(conn, sink.service)
        async with conn.transaction():
            yield tx
            await tx.flush()
    tx.run_after_commit(sink)


Begin: TypeAlias = Callable[[], AbstractAsyncContextManager[Tx]]
"""Opens a unit of work: `Bus.transaction`, without the rest of the bus."""
