"""The ledger in the database: shared, locked, paused together."""

import asyncio
from typing import Any

from closet_chassis.postgres import Pool
from closet_messaging.unit import transaction
from perfect_adapter.domain.quota import Budget, Wish
from perfect_adapter.store import ledger

LANE = "key-1"
BUDGET = Budget(calls=50, window_s=300, pace=0)


class _Nobody:
    def offer(self, rows: Any) -> None:
        """Nothing is told."""


async def _charge(pool: Pool, wish: Wish, budget: Budget = BUDGET, lane: str = LANE) -> tuple[int, float]:
    async with transaction(pool, _Nobody()) as tx:
        await ledger.open_lane(tx.conn, lane)
        grant = await ledger.charge(tx.conn, lane, budget, wish)
    return grant.count, grant.wait_s


async def test_many_at_once_never_charge_more_than_there_is(pool: Pool) -> None:
    grants = await asyncio.gather(*(_charge(pool, Wish(7)) for _ in range(20)))
    assert sum(count for count, _ in grants) == 50
    assert await pool.fetchval("SELECT count(*) FROM vendor_calls") == 50


async def test_lanes_count_for_themselves(pool: Pool) -> None:
    assert (await _charge(pool, Wish(60)))[0] == 50
    assert (await _charge(pool, Wish(60), lane="key-2"))[0] == 50


async def test_what_has_left_the_window_counts_no_more(pool: Pool) -> None:
    await _charge(pool, Wish(50))
    count, wait_s = await _charge(pool, Wish(1))
    assert count == 0
    assert 290 < wait_s < 310
    await pool.execute("UPDATE vendor_calls SET at = at - interval '310 s'")
    assert await _charge(pool, Wish(1)) == (1, 0.0)
    async with transaction(pool, _Nobody()) as tx:
        await ledger.prune(tx.conn, 305)
    assert await pool.fetchval("SELECT count(*) FROM vendor_calls") == 1


async def test_a_pause_holds_everybody_and_grows_until_an_answer_comes(pool: Pool) -> None:
    await _charge(pool, Wish(1))
    waits = []
    for _ in range(3):
        async with transaction(pool, _Nobody()) as tx:
            for _ in range(5):  # several calls in flight are told at once: one pause
                await ledger.pause(tx.conn, LANE, 10, 35, 1.0)
        for budget in (BUDGET, Budget(0, 300, 0)):
            count, wait_s = await _charge(pool, Wish(1), budget)
            assert count == 0
        waits.append(round(wait_s))
        await pool.execute("UPDATE lanes SET paused_until = now()")
    assert waits == [10, 20, 35]
    async with transaction(pool, _Nobody()) as tx:
        await ledger.forgive(tx.conn, LANE)
        await ledger.pause(tx.conn, LANE, 10, 35, 1.0)
    assert round((await _charge(pool, Wish(1)))[1]) == 10
