"""Holds that nobody settles."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

from billing_meter.worker.sweep import LOOK_EVERY_S, sweep
from closet_contracts.ids import new_id
from closet_messaging.transaction import transaction


def sweeper(counter: Any) -> Any:
    return partial(sweep, partial(transaction, counter.pool, counter))


async def expire(counter: Any) -> None:
    await counter.owner.execute("UPDATE holds SET expires_at = now() WHERE state = 'held'")


async def test_an_expired_hold_is_released_and_the_job_is_told_no_more(counter: Any, new_job: Any) -> None:
    job, fresh = new_job(), new_job()
    await counter.grant(200)
    await counter.take(job.accepted())
    await expire(counter)
    await counter.take(fresh.accepted())
    await sweeper(counter)()
    assert await counter.stands() == (200, 5)
    assert (counter.said(job), counter.said(fresh)) == (["held", "released"], ["held"])
    released = next(event for event in counter.told if event.type == "closet.credit.released.v1")
    assert (released.data.reason, released.tenantid) == ("expired", "acme")


async def test_two_replicas_release_each_hold_once(counter: Any, new_job: Any) -> None:
    jobs = [new_job(tenant=f"tenant-{i % 7}") for i in range(250)]
    for i in range(7):
        await counter.grant(1000, f"tenant-{i}")
    await counter.take(*(job.accepted() for job in jobs))
    await expire(counter)

    async def work() -> None:
        while await sweeper(counter)() is True:
            pass

    await asyncio.gather(work(), work())
    assert all(counter.said(job) == ["held", "released"] for job in jobs)
    assert [await counter.stands(f"tenant-{i}") for i in range(7)] == [(1000, 0)] * 7


async def test_expiry_and_completion_at_once_settle_one_way(counter: Any, new_job: Any) -> None:
    jobs = [new_job() for _ in range(40)]
    await counter.grant(1000)
    await counter.take(*(job.accepted() for job in jobs))
    await expire(counter)
    await asyncio.gather(sweeper(counter)(), *(counter.take(job.completed()) for job in jobs))
    captured = [job for job in jobs if counter.said(job) == ["held", "captured"]]
    released = [job.job_id for job in jobs if counter.said(job) == ["held", "released"]]
    assert len(captured) + len(released) == 40
    assert await counter.stands() == (1000 - 5 * len(captured), 0)
    assert {row[0] for row in await counter.pool.fetch("SELECT job_id FROM losses")} == set(released)


async def test_it_sleeps_until_the_next_expiry_but_never_long(counter: Any, new_job: Any) -> None:
    assert await sweeper(counter)() == LOOK_EVERY_S
    await counter.grant(200)
    await counter.take(new_job().accepted())
    assert await sweeper(counter)() == LOOK_EVERY_S
    await counter.owner.execute("UPDATE holds SET expires_at = now() + interval '5 s'")
    assert 0 < await sweeper(counter)() <= 5


async def test_quotes_long_expired_are_forgotten(counter: Any) -> None:
    for age in (timedelta(days=2), timedelta(hours=2)):
        await counter.pool.execute(
            "INSERT INTO quotes VALUES ($1, 'acme', 'u-1', '{}', 5, 50, '2026-01', now(), now() - $2::interval)",
            new_id("quo"),
            age,
        )
    await sweeper(counter)()
    assert await counter.pool.fetchval("SELECT count(*) FROM quotes") == 1


async def test_quotes_do_not_pile_up_however_many_are_asked_for(counter: Any) -> None:
    await counter.pool.execute(
        """
        INSERT INTO quotes SELECT 'quo_' || n, 'acme', 'u-1', '{}', 5, 50, '2026-01', now(), now() - interval '2 days'
        FROM generate_series(1, 1200) n
        """
    )
    assert await sweeper(counter)() is True
    assert await sweeper(counter)() == LOOK_EVERY_S
    assert await counter.pool.fetchval("SELECT count(*) FROM quotes") == 0
