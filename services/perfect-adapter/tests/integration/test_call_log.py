"""The call log in the database: shared, locked, counted by key and by address, paused together."""

import asyncio
from typing import Any

from closet_chassis.postgres import Pool
from closet_contracts.ownership import Service
from closet_messaging.transaction import transaction
from perfect_adapter.quota import call_log
from perfect_adapter.quota.api_keys import KeyRing
from perfect_adapter.quota.budget import Budget, TaskDemand
from perfect_adapter.quota.gate import CompletedCall, QuotaGate
from perfect_adapter.renders.sweep import CALLS_KEPT_S, Sweeper
from perfect_adapter.vendor.answers import Created, NotMade, Throttled, Unreachable
from perfect_adapter.vendor.keys import ApiKey

A, B = ApiKey("a").name, ApiKey("b").name
BUDGET = Budget(calls=50, window_s=300, pace=0)


class _Nobody:
    service = Service.PERFECT_ADAPTER

    def enqueue(self, rows: Any) -> None:
        """Nothing is told."""


async def gate(pool: Pool, *secrets: str, egress: str = "here", budget: Budget = BUDGET) -> QuotaGate:
    ring = KeyRing(secrets or ("a",), None, egress)
    one = QuotaGate(begin=lambda: transaction(pool, _Nobody()), ring=ring, egress=egress, budget=budget)
    await ring.refresh(one.begin)
    return one


async def charge(one: QuotaGate, count: int, key: str = A) -> tuple[int, float]:
    """Charge as many polls as the quota allows."""
    async with one.begin() as tx:
        admitted, wait_s = await one.admit(tx, [key] * count)
        await one.charge(tx, "poll", [(key, None)] * sum(admitted))
    return sum(admitted), wait_s


async def test_many_at_once_never_charge_more_than_there_is(pool: Pool) -> None:
    replicas = [await gate(pool) for _ in range(3)]
    counts = await asyncio.gather(*(charge(replicas[i % 3], 7) for i in range(20)))
    assert sum(count for count, _ in counts) == 50
    assert await pool.fetchval("SELECT count(*) FROM vendor_calls") == 50


async def test_two_keys_behind_one_address_share_its_quota(pool: Pool) -> None:
    one = await gate(pool, "a", "b")
    assert (await charge(one, 40, A))[0] == 40
    assert (await charge(one, 40, B))[0] == 10


async def test_one_key_behind_two_addresses_has_its_quota_once(pool: Pool) -> None:
    here, there = await gate(pool, egress="here"), await gate(pool, egress="there")
    assert (await charge(here, 30))[0] == 30
    assert (await charge(there, 30))[0] == 20
    other = await gate(pool, "b", egress="there")
    assert (await charge(other, 60, B))[0] == 30, "twenty of the address's calls are of the other key"


async def test_what_has_left_the_window_counts_no_more(pool: Pool) -> None:
    one = await gate(pool)
    await charge(one, 50)
    await pool.execute("UPDATE vendor_calls SET ended_at = at")
    count, wait_s = await charge(one, 1)
    assert count == 0
    assert 290 < wait_s < 310
    await pool.execute("UPDATE vendor_calls SET at = at - interval '310 s', ended_at = at - interval '310 s'")
    assert await charge(one, 1) == (1, 0.0)


async def test_a_call_counts_from_its_answer(pool: Pool) -> None:
    """The vendor may have counted it as late as that; one that has no answer yet may still be on its way."""
    one = await gate(pool)
    await charge(one, 50)
    await pool.execute("UPDATE vendor_calls SET at = now() - interval '310 s', ended_at = now() - interval '280 s'")
    assert (await charge(one, 1))[0] == 0
    await pool.execute("UPDATE vendor_calls SET ended_at = NULL")
    assert (await charge(one, 1))[0] == 0, "310 s ago it was sent; it can have been counted up to 120 s later"
    await pool.execute("UPDATE vendor_calls SET at = now() - interval '430 s'")
    assert (await charge(one, 1))[0] == 1


async def test_creating_leaves_calls_for_the_polls_that_are_owed(pool: Pool) -> None:
    one = await gate(pool, budget=Budget(10, 300, 0))
    async with one.begin() as tx:
        assert (await one.allocate(tx, TaskDemand(9, 2))).count == 5
    await charge(one, 5)
    async with one.begin() as tx:
        assert (await one.allocate(tx, TaskDemand(9, 2))).count == 2


async def test_a_pause_holds_everybody_and_grows_until_an_answer_comes(pool: Pool) -> None:
    one = await gate(pool, budget=Budget(50, 600, 0))
    for least_s in (8, 16, 32):
        began = await pool.fetchval("SELECT clock_timestamp()")
        async with one.begin() as tx:
            for _ in range(5):  # several calls in flight are told at once: one pause
                call_ids = await one.charge(tx, "poll", [(A, None)])
                await one.settle(tx, [CompletedCall(call_ids[0], A, Throttled())])
        told = await pool.fetchval("SELECT clock_timestamp()")
        until = await pool.fetchval("SELECT min(paused_until) FROM parties")
        assert (until - began).total_seconds() >= least_s
        assert (until - told).total_seconds() <= 1.5 * least_s
        count, wait_s = await charge(await gate(pool, budget=Budget(50, 600, 0)), 1)
        assert count == 0
        assert 0 < wait_s <= 1.5 * least_s
        await pool.execute("UPDATE parties SET paused_until = now()")
    async with one.begin() as tx:
        call_ids = await one.charge(tx, "create", [(A, None)])
        await one.settle(tx, [CompletedCall(call_ids[0], A, Created("1"))])
    assert await pool.fetchval("SELECT max(strikes) FROM parties") == 0
    walk = await pool.fetch("SELECT operation, outcome FROM vendor_calls ORDER BY call_id DESC LIMIT 2")
    assert [tuple(row) for row in walk] == [("create", "Created"), ("poll", "Throttled")]


async def test_calls_are_kept_for_thirty_days_and_deleted_a_bounded_number_at_a_time(pool: Pool) -> None:
    one = await gate(pool)
    await charge(one, 6)
    await pool.execute("UPDATE vendor_calls SET at = at - interval '29 days'")
    sweeper = Sweeper(begin=one.begin, quota_window_s=300, grace_s=1, on_ambiguous=lambda: None)
    await sweeper.step()
    assert await pool.fetchval("SELECT count(*) FROM vendor_calls") == 6
    await pool.execute(
        "UPDATE vendor_calls SET at = at - interval '2 days' WHERE call_id < (SELECT max(call_id) FROM vendor_calls)"
    )
    async with one.begin() as tx:
        assert await call_log.delete_old(tx.conn, CALLS_KEPT_S, 2) == 2
    assert await pool.fetchval("SELECT count(*) FROM vendor_calls") == 4
    await Sweeper(begin=one.begin, quota_window_s=300, grace_s=1, on_ambiguous=lambda: None).step()
    assert await pool.fetchval("SELECT count(*) FROM vendor_calls") == 1


async def test_what_never_left_counts_nowhere(pool: Pool) -> None:
    one = await gate(pool)
    async with one.begin() as tx:
        call_ids = await one.charge(tx, "create", [(A, "job_a.0.1")] * 50)
        await one.settle(
            tx, [CompletedCall(call_ids[0], A, NotMade()), CompletedCall(call_ids[1], A, Unreachable("no route"))]
        )
    await pool.execute("UPDATE parties SET paused_until = now()")
    assert (await charge(one, 9))[0] == 2
    async with one.begin() as tx:
        assert await call_log.count_by_render(tx.conn, ["job_a.0.1"]) == {"job_a.0.1": 48}
