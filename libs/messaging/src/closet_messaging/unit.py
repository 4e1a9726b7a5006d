"""One unit of work: a database transaction, and what happens at its end."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

import asyncpg
from closet_chassis.postgres import Pool
from closet_contracts.nouns import Service

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


class Offer(Protocol):
    """Who takes rows that have just been committed: the relay."""

    @property
    def service(self) -> Service:
        """As whom the rows are published; the bus takes that service's own events and no others."""

    def offer(self, rows: Sequence[OutboxRow]) -> None:
        """Take the rows; never fails, never waits."""


@dataclass(slots=True)
class Tx:
    """A connection in a transaction, and what to do at its end."""

    conn: Connection
    service: Service
    """Whose unit of work it is: only events of its own may be emitted."""
    outbox: list[OutboxRow] = field(default_factory=list)
    memo: dict[str, Any] = field(default_factory=dict)
    """What handlers of this unit remember for each other, such as rows they have locked and changed."""
    _last: dict[str, Callable[[], None]] = field(default_factory=dict)
    _deferred: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    _hooks: dict[Callable[[], None], None] = field(default_factory=dict)

    def now(self) -> datetime:
        """When what is handled here counts as handled: now, or in a recovery, when it was the first time."""
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

    def conclude(self) -> None:
        """Run the steps that were left for the end; those registered later run at the end as ever."""
        last, self._last = self._last, {}
        for step in last.values():
            step()

    async def flush(self) -> None:
        """Write what was deferred, then the outbox, each in one statement. `transaction` calls it."""
        self.conclude()
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

    def committed(self, relay: Offer) -> None:
        """Hand the rows on and run the hooks. `transaction` calls it."""
        if self.outbox:
            relay.offer(self.outbox)
        for hook in self._hooks:
            hook()


_INSERT = """
    INSERT INTO outbox (id, subject, payload, traceparent)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[])
"""


@asynccontextmanager
async def transaction(pool: Pool, relay: Offer) -> AsyncIterator[Tx]:
    """Begin; yield; write what was deferred and the outbox; commit; then hand the rows to the relay.

    Raises:
        asyncpg.PostgresError: whatever the database refuses; then nothing is written or published.
    """
    async with pool.acquire() as conn:
        tx = Tx(conn, relay.service)
        async with conn.transaction():
            yield tx
            await tx.flush()
    tx.committed(relay)


Begin: TypeAlias = Callable[[], AbstractAsyncContextManager[Tx]]
"""What opens a unit of work: `Bus.transaction`, for whoever has no need of the rest of the bus."""
