"""A database that goes away while the vendor answers: what the vendor said is not lost with it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from closet_chassis.postgres import Pool
from closet_contracts.ownership import Service
from closet_messaging.transaction import Tx, transaction
from perfect_adapter.quota.backoff import Backoff
from perfect_adapter.renders import completion
from perfect_adapter.vendor.answers import Created


class Nobody:
    service = Service.PERFECT_ADAPTER

    def enqueue(self, rows: Any) -> None:
        """Leave them to the sweeper."""


class VendorClient:
    """Takes every order."""

    def __init__(self, lose: Callable[[], None]) -> None:
        self.orders = 0
        self.lose = lose

    async def create(self, *_: Any) -> Created:
        self.orders += 1
        self.lose()
        return Created(f"task-{self.orders}")


class Database:
    """Loses its connection at the end of a transaction, as often as it is told to; the last time after the commit."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.lost = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        if self.lost > 1:
            self.lost -= 1
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        async with transaction(self.pool, Nobody()) as tx:
            yield tx
        if self.lost:
            self.lost -= 1
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


@pytest.mark.parametrize("lost", [1, 3])
async def test_a_task_that_exists_is_known_when_the_database_is_back(
    world: Any, pool: Pool, make_dead: Any, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.setattr(completion, "RETRY_WRITE", Backoff(0.01, 0.01))
    database = Database(pool)
    vendor = VendorClient(lambda: setattr(database, "lost", lost))
    replica = await make_dead(database.begin, vendor)
    await replica.take(world.dispatched())
    await replica.claim()

    await replica.submitter.work(replica.claimed)
    row = await pool.fetchrow("SELECT state, task_id FROM renders")
    assert tuple(row or ()) == ("running", "task-1")
    assert vendor.orders == 1
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 1


async def test_an_order_that_could_not_be_confirmed_is_not_sent_and_waits_again(
    world: Any, pool: Pool, make_dead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "RETRY_WRITE", Backoff(0.01, 0.01))
    database = Database(pool)
    vendor = VendorClient(lambda: None)
    replica = await make_dead(database.begin, vendor)
    await replica.take(world.dispatched())
    await replica.claim()
    database.lost = 3
    await replica.submitter.work(replica.claimed)
    assert vendor.orders == 0
    assert await pool.fetchval("SELECT state FROM renders") == "waiting"
    assert await pool.fetchval("SELECT count(*) FROM vendor_calls WHERE sent") == 0
