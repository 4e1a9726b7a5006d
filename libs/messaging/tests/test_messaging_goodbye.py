"""A connection that the server has just ended says things of no class of its own: nothing may die of them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from closet_contracts.ownership import Service
from closet_devstack.testing import eventually
from closet_messaging import publish as publishing
from closet_messaging import relay as relaying
from closet_messaging import sweeper as sweeping
from closet_messaging.inbox import is_database_at_fault
from closet_messaging.relay import Relay
from closet_messaging.sweeper import OverdueMonitor, Sweeper
from closet_messaging.transaction import OutboxRow


class Goodbye:
    """A pool that fails as often as it has words, and then is well."""

    def __init__(self, *words: Exception) -> None:
        self._words: Iterator[Exception] = iter(words)
        self.done = 0

    async def execute(self, *_: Any) -> str:
        for error in self._words:
            raise error
        self.done += 1
        return "UPDATE 0"

    async def fetchval(self, *_: Any) -> Any:
        await self.execute()
        return False

    async def fetch(self, *_: Any) -> list[Any]:
        await self.execute()
        return []


def goodbye() -> Any:
    return Goodbye(asyncpg.InternalClientError("got result for unknown protocol state 3"))


async def test_it_is_the_databases_fault() -> None:
    pool = goodbye()
    assert await is_database_at_fault(pool, ValueError())
    assert not await is_database_at_fault(pool, ValueError())


async def test_marks_are_written_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def publish(_nc: Any, rows: list[OutboxRow]) -> list[OutboxRow]:
        return rows

    monkeypatch.setattr(publishing, "publish", publish)
    monkeypatch.setattr(relaying, "MARK_RETRY_S", 0.01)
    bus: Any = type("Bus", (), {"is_connected": True, "max_payload": 1 << 20})
    pool = goodbye()
    relay = Relay(pool, bus, Service.JOB_ORCHESTRATOR)
    relay.enqueue([OutboxRow("1", "closet.job.failed.v1", b"")])
    running = asyncio.create_task(relay.run())
    assert await relay.flush(5)
    assert pool.done == 1
    running.cancel()


async def test_the_sweeper_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "EVERY_S", 0.01)
    bus: Any = None
    pool = goodbye()
    running = asyncio.create_task(Sweeper(pool, bus, OverdueMonitor(Service.JOB_ORCHESTRATOR, 60)).run())
    await eventually(lambda: pool.done)
    running.cancel()
