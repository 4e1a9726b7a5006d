"""Holds that nobody settles."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

from billing_meter.worker.sweep import LOOK_EVERY_S, sweep
from closet_contracts.ids import new_id
from closet_messaging.transaction import transaction


def sweeper(ledger: Any) -> Any:
    return partial(sweep, partial(transaction, ledger.pool, ledger))


async def expire(ledger: Any) -> None:
    await ledger.owner.execute("UPDATE holds SET expires_at = now() WHERE state = 'held'")


async def test_an_expired_hold_is_released_and_the_job_is_told_no_more(ledger: Any, new_job: Any) -> None:
    job, fresh = new_job(), new_job()
    await ledger.grant(200)
    await ledger.handle(job.accepted())
    await expire(ledger)
    await ledger.handle(fresh.accepted())
    await sweeper(ledger)()
    assert await ledger.read_balance() == (200, 5)
    assert (ledger.events_of(job), ledger.events_of(fresh)) == (["held", "released"], ["held"])
    released = next(event for event in ledger.emitted if event.type == "closet.credit.released.v1")
    assert (released.data.reason, released.tenantid) == ("expired", "acme")


async def test_two_replicas_release_each_hold_once(ledger: Any, new_job: Any) -> None:
    jobs = [new_job(tenant=f"tenant-{i % 7}") for i in range(250)]
    for i in range(7):
        await ledger.grant(1000, f"tenant-{i}")
    await ledger.handle(*(job.accepted() for job in jobs))
    await expire(ledger)

    async def work() -> None:
        while await sweeper(ledger)() is True:
            pass

    await asyncio.gather(work(), work())
    assert all(ledger.events_of(job) == ["held", "released"] for job in jobs)
    assert [await ledger.read_balance(f"tenant-{i}") for i in range(7)] == [(1000, 0)] * 7


async def test_expiry_and_completion_at_once_settle_one_way(ledger: Any, new_job: Any) -> None:
    jobs = [new_job() for _ in range(40)]
    await ledger.grant(1000)
    await ledger.handle(*(job.accepted() for job in jobs))
    await expire(ledger)
    await asyncio.gather(sweeper(ledger)(), *(ledger.handle(job.completed()) for job in jobs))
    captured = [job for job in jobs if ledger.events_of(job) == ["held", "captured"]]
    released = [job.job_id for job in jobs if ledger.events_of(job) == ["held", "released"]]
    assert len(captured) + len(released) == 40
    assert await ledger.read_balance() == (1000 - 5 * len(captured), 0)
    assert {row[0] for row in await ledger.pool.fetch("SELECT job_id FROM losses")} == set(released)


async def test_it_sleeps_until_the_next_expiry_but_never_long(ledger: Any, new_job: Any) -> None:
    assert await sweeper(ledger)() == LOOK_EVERY_S
    await ledger.grant(200)
    await ledger.handle(new_job().accepted())
    assert await sweeper(ledger)() == LOOK_EVERY_S
    await ledger.owner.execute("UPDATE holds SET expires_at = now() + interval '5 s'")
    assert 0 < await sweeper(ledger)() <= 5


async def test_quotes_long_expired_are_forgotten(ledger: Any) -> None:
    for age in (timedelta(days=2), timedelta(hours=2)):
        await ledger.pool.execute(
            "INSERT INTO quotes VALUES ($1, 'acme', 'u-1', '{}', 5, 50, '2026-01', now(), now() - $2::interval)",
            new_id("quo"),
            age,
        )
    await sweeper(ledger)()
    assert await ledger.pool.fetchval("SELECT count(*) FROM quotes") == 1


async def test_quotes_do_not_pile_up_however_many_are_asked_for(ledger: Any) -> None:
    await ledger.pool.execute(
        """
        INSERT INTO quotes SELECT 'quo_' || n, 'acme', 'u-1', '{}', 5, 50, '2026-01', now(), now() - interval '2 days'
        FROM generate_series(1, 1200) n
        """
    )
    assert await sweeper(ledger)() is True
    assert await sweeper(ledger)() == LOOK_EVERY_S
    assert await ledger.pool.fetchval("SELECT count(*) FROM quotes") == 0
