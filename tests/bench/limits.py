"""The machine's own limits, on the very servers that the product uses, and the speed of signing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
from closet_contracts.catalog import OPERATOR
from closet_devstack.stack import Stack
from closet_messaging.connection import connect, drain
from closet_messaging.publish import GROUP, TIMEOUT_S
from closet_storage.objects import open_store
from closet_storage.signing import Signer
from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig

SECONDS = 3.0
_STREAM, _SUBJECT = "BENCH", "bench.message"
_MESSAGE = b"x" * 1024
_COMMITTERS = 16
_PUTTERS = 16
_OBJECT = b"x" * 50_000


async def measure(stack: Stack) -> dict[str, object]:
    """One after the other."""
    return {
        "jetstreamPublishesPerSecond": await _publishes(stack.nats.url(OPERATOR)),
        "postgresCommitsPerSecond": await _commits(stack.postgres.url()),
        "s3PutsPerSecond": await _puts(Signer.of(stack.s3.access())),
    }


def signing() -> int:
    """URLs that one core signs in a second."""
    signer = Signer("http://127.0.0.1:8333", "us-east-1", "closet-media", "access", "secret")
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < 1:
        for _ in range(500):
            count += 1
            signer.get_url(f"tenant/bench/results/job_{count:032x}/result_0.jpg", 3600)
    return round(count / (time.perf_counter() - began))


async def _publishes(nats: str) -> dict[str, int]:
    """Acknowledged, a group in flight at a time: message by message, and as one atomic batch."""
    client = await connect(nats, OPERATOR)
    js = client.jetstream()
    await js.add_stream(StreamConfig(_STREAM, subjects=[_SUBJECT], storage=StorageType.FILE, allow_atomic=True))
    try:
        return {
            "single": await _rate(lambda: _gathered(client), GROUP),
            "atomicBatch": await _rate(lambda: _atomic(client), GROUP),
        }
    finally:
        await js.delete_stream(_STREAM)
        await drain(client)


async def _gathered(client: Client) -> None:
    await asyncio.gather(
        *(client.request(_SUBJECT, _MESSAGE, TIMEOUT_S, headers={"Nats-Msg-Id": uuid4().hex}) for _ in range(GROUP))
    )


async def _atomic(client: Client) -> None:
    batch = uuid4().hex
    for number in range(1, GROUP):
        await client.publish(_SUBJECT, _MESSAGE, headers=_member(batch, number))
    last = _member(batch, GROUP) | {"Nats-Batch-Commit": "1"}
    await client.request(_SUBJECT, _MESSAGE, TIMEOUT_S, headers=last)


def _member(batch: str, number: int) -> dict[str, str]:
    return {"Nats-Msg-Id": uuid4().hex, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}


async def _commits(url: str) -> int:
    """Transactions of one insert, durable, by several clients."""
    async with asyncpg.create_pool(url, min_size=_COMMITTERS, max_size=_COMMITTERS) as pool:
        await pool.execute("CREATE TABLE bench (id uuid PRIMARY KEY, at timestamptz)")

        async def commit() -> None:
            await pool.execute("INSERT INTO bench VALUES ($1, $2)", uuid4(), datetime.now(UTC))

        try:
            return await _side_by_side(commit, _COMMITTERS)
        finally:
            await pool.execute("DROP TABLE bench")


async def _puts(signer: Signer) -> int:
    """Objects of 50 kB."""
    async with open_store(signer) as store:
        return await _side_by_side(lambda: store.put(f"bench/{uuid4()}", _OBJECT, "image/jpeg"), _PUTTERS)


async def _side_by_side(act: Callable[[], Awaitable[None]], clients: int) -> int:
    async def client() -> int:
        return await _count(act, time.perf_counter() + SECONDS)

    return round(sum(await asyncio.gather(*(client() for _ in range(clients)))) / SECONDS)


async def _rate(act: Callable[[], Awaitable[None]], each: int) -> int:
    return round(await _count(act, time.perf_counter() + SECONDS) * each / SECONDS)


async def _count(act: Callable[[], Awaitable[None]], until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        await act()
        count += 1
    return count
