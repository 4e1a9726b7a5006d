"""Whose upload is checked next: tenants take turns, small ones overtake, and nobody waits for ever."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from closet_chassis.leased_work import LeasedWorker
from closet_chassis.postgres import Pool
from closet_contracts.ownership import Service
from closet_devstack.testing import eventually
from closet_messaging.transaction import Tx, transaction
from upload_signer.store import Check, checks
from upload_signer.worker import UploadChecker

_MB = 1 << 20


class _Nobody:
    service = Service.UPLOAD_SIGNER

    def enqueue(self, rows: Any) -> None:
        """Leave them to the sweeper."""


class Recorder(UploadChecker):
    """A worker whose checks only end when they are told to; it notes whose it began, in order."""

    def __init__(self, pool: Pool, tenant_limit: int) -> None:
        neither: Any = None
        super().__init__(
            lambda: transaction(pool, _Nobody()), objects=neither, pictures=neither, tenant_limit=tenant_limit
        )
        self.begun: list[str] = []

    async def _work(self, check: Check) -> None:
        self.begun.append(check.upload_id)
        async with self.begin() as tx:
            await tx.conn.execute("DELETE FROM uploads WHERE upload_id = $1", check.upload_id)


async def _wait(pool: Pool, tenant: str, uploads: Sequence[tuple[str, float, int]]) -> None:
    """Uploads that have been due for so many seconds, of so many bytes."""
    await pool.executemany(
        """
        INSERT INTO uploads (upload_id, tenant_id, user_id, wanted_until, due_at, size_bytes)
        VALUES ($1, $2, 'p', now() + interval '1 hour', now() - make_interval(secs => $3), $4)
        """,
        [(name, tenant, since_s, size) for name, since_s, size in uploads],
    )


async def _claim_all(checker: UploadChecker, limit: int = 1) -> list[str]:
    """All that is due, in the order of the claims; each is done before the next is claimed."""
    order = []
    while checks := (await checker.claim(limit)).items:
        for check in checks:
            order.append(check.upload_id)
            await checker.work(check)
    return order


async def test_twelve_huge_pictures_of_one_tenant_delay_nobody(pool: Pool) -> None:
    await _wait(pool, "big", [(f"big-{i:02}", 60 - i, 10 * _MB) for i in range(12)])
    checker = Recorder(pool, tenant_limit=2)
    first = await checker.claim(8)
    assert [check.upload_id for check in first.items] == ["big-00", "big-01"], "its limit, though all else is idle"
    assert first.more, "the rest is claimed as soon as one of them is done"
    for name in ("aa", "zz"):
        await _wait(pool, name, [(f"{name}-1", 0, _MB), (f"{name}-2", 0, _MB)])
    others = await checker.claim(6)
    assert [check.upload_id for check in others.items] == ["zz-1", "zz-2", "aa-1", "aa-2"]
    await checker.work(first.items[0])
    assert [check.upload_id for check in (await checker.claim(6)).items] == ["big-02"]


async def test_tenants_take_turns_whatever_their_number_and_names(pool: Pool) -> None:
    for tenant, count in (("a", 5), ("b", 2), ("c", 1)):
        await _wait(pool, tenant, [(f"{tenant}{i}", 50 - i, 0) for i in range(count)])
    assert await _claim_all(Recorder(pool, tenant_limit=2)) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


@pytest.mark.parametrize("limit", [2, 3, 8])
async def test_nobody_is_left_out_when_several_are_claimed_at_once(pool: Pool, limit: int) -> None:
    names = [f"t{i}-{j}" for i in range(7) for j in range(4)]
    for i in range(7):
        await _wait(pool, f"t{i}", [(f"t{i}-{j}", 50 - j, 0) for j in range(4)])
    order = await _claim_all(Recorder(pool, tenant_limit=2), limit)
    assert sorted(order) == names
    assert [min(order.index(f"t{i}-{j}") for j in range(4)) < 14 for i in range(7)] == [True] * 7


async def test_small_pictures_overtake_large_ones_that_have_not_waited_long(pool: Pool) -> None:
    await _wait(pool, "t", [("large", 5, 10 * _MB), ("small", 1, 100_000), ("older small", 3, 100_000)])
    assert await _claim_all(Recorder(pool, tenant_limit=2)) == ["older small", "small", "large"]
    await _wait(pool, "t", [("large", 15, 10 * _MB), ("small", 1, 100_000)])
    assert await _claim_all(Recorder(pool, tenant_limit=2)) == ["large", "small"], "it has waited long enough"


async def test_a_lane_goes_on_with_a_tenant_when_one_of_its_share_is_done(pool: Pool) -> None:
    """Not only when it looks by itself: that is an hour away here."""
    await _wait(pool, "t", [(f"{i:02}", 60 - i, 0) for i in range(12)])
    checker = Recorder(pool, tenant_limit=2)
    lane = LeasedWorker("checks", checker.claim, checker.work, checker.renew, concurrency=8, idle_s=3600)
    task = asyncio.create_task(lane.run())
    await eventually(lambda: pool.fetchval("SELECT count(*) = 0 FROM uploads"))
    task.cancel()
    await asyncio.wait([task])
    assert sorted(checker.begun) == [f"{i:02}" for i in range(12)]


async def test_a_check_that_is_done_during_a_claim_has_held_back_others(pool: Pool) -> None:
    """Its lane has to look again: nobody else will say that there is room."""
    await _wait(pool, "t", [(f"{i}", 60 - i, 0) for i in range(4)])
    checker = Recorder(pool, tenant_limit=2)
    first, _ = (await checker.claim(8)).items
    begin = checker.begin

    @asynccontextmanager
    async def meanwhile() -> AsyncIterator[Tx]:
        async with begin() as tx:
            yield tx
            checker.begin = begin
            await checker.work(first)

    checker.begin = meanwhile
    second = await checker.claim(8)
    assert (second.items, second.more) == ([], True)
    assert [check.upload_id for check in (await checker.claim(8)).items] == ["2"]


async def test_a_claim_costs_the_same_however_many_wait(pool: Pool, owner_url: str) -> None:
    """By the rows that PostgreSQL touches, not by time."""
    touched = []
    owner = await asyncpg.connect(owner_url)
    for tenants in (10, 2000):
        await owner.execute("TRUNCATE uploads CASCADE")
        await pool.execute(
            """
            INSERT INTO uploads (upload_id, tenant_id, user_id, wanted_until, due_at)
            SELECT t || '-' || i, 't' || t, 'p', now(), now() - make_interval(secs => i)
            FROM generate_series(1, $1::int) AS t, generate_series(1, 10) AS i
            """,
            tenants,
        )
        await owner.execute("ANALYZE uploads")
        touched.append(await _rows_touched(pool))
    await owner.close()
    assert touched[1] <= 2 * touched[0], touched


async def _rows_touched(pool: Pool) -> int:
    arguments: tuple[Any, ...] = (None, 60.0, 8, 2, [], [], "", None, 1e-6, 16)
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        plan = await conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {checks._CLAIM}", *arguments)
    return _rows(plan if isinstance(plan, list) else json.loads(plan))


def _rows(node: Any) -> int:
    if isinstance(node, list):
        return sum(_rows(each) for each in node)
    if not isinstance(node, dict):
        return 0
    own = node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)
    return int(own * node.get("Actual Loops", 1)) + sum(_rows(each) for each in node.values())
