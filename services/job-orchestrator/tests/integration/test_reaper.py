"""Deadlines: every job ends, once, however many replicas look."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from closet_messaging.transaction import transaction
from job_orchestrator.worker import LOOK_EVERY_S, expire_due


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def reaper(desk: Any) -> Any:
    return partial(expire_due, partial(transaction, desk.pool, desk))


async def test_jobs_past_their_deadline_expire_in_every_open_phase(desk: Any, asked: Any) -> None:
    waiting, running, done, early = (asked() for _ in range(4))
    await desk.take(waiting.request(), running.request(), *running.ready(), running.held(), running.started())
    await desk.take(*done.life(), early.request())
    await desk.make_overdue(waiting, running, done)
    assert await reaper(desk)() is True
    assert desk.said(waiting.job_id) == ["accepted", "expired"]
    assert desk.said(running.job_id) == ["accepted", "dispatched", "expired"]
    assert desk.said(done.job_id)[-1] == "completed"
    assert desk.said(early.job_id) == ["accepted"]
    expired = desk.told[-1].data
    assert expired.code == "deadline_passed"
    assert expired.message.endswith("try again.")


async def test_a_result_after_the_deadline_changes_nothing(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.request(), *one.ready(), one.held(), one.started())
    await desk.make_overdue(one)
    await reaper(desk)()
    await desk.take(one.succeeded())
    assert desk.said(one.job_id) == ["accepted", "dispatched", "expired"]
    assert (await desk.job(one.job_id))["phase"] == "expired"


async def test_it_sleeps_until_the_next_deadline_but_never_long(desk: Any, asked: Any) -> None:
    assert await reaper(desk)() == LOOK_EVERY_S
    await desk.take(asked(deadline=soon(900)).request())
    assert await reaper(desk)() == LOOK_EVERY_S
    await desk.take(asked(deadline=soon(3)).request())
    assert 0 < await reaper(desk)() <= 3


async def test_two_replicas_expire_each_job_once(desk: Any, asked: Any) -> None:
    late = [asked() for _ in range(250)]
    await desk.take(*(one.request() for one in late))
    await desk.make_overdue(*late)

    async def work() -> None:
        while await reaper(desk)() is True:
            pass

    await asyncio.gather(work(), work())
    assert all(desk.said(one.job_id) == ["accepted", "expired"] for one in late)


async def test_it_leaves_a_job_that_is_being_handled_to_the_handler(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.request())
    await desk.make_overdue(one)
    async with desk.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM jobs FOR UPDATE")
        assert await reaper(desk)() == LOOK_EVERY_S
    assert await reaper(desk)() is True
    assert desk.said(one.job_id)[-1] == "expired"


async def test_ended_jobs_are_not_in_the_index_it_looks_at(desk: Any, asked: Any) -> None:
    lives = [asked() for _ in range(50)]
    await desk.take(*(event for one in lives for event in one.life()))
    async with desk.pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute("SET LOCAL enable_sort = off")
        plan = await conn.fetch(
            """EXPLAIN ANALYZE SELECT * FROM jobs
            WHERE phase IN ('accepted', 'dispatched', 'running') AND deadline <= now() ORDER BY deadline LIMIT 9"""
        )
    text = " ".join(row[0] for row in plan)
    assert "Index Scan using jobs_due" in text
    assert "Rows Removed" not in text


async def test_a_result_and_the_deadline_at_once_give_one_end(desk: Any, asked: Any) -> None:
    """A client may have been told of the deadline already: what comes late changes nothing, reaper or not."""
    lives = [asked() for _ in range(20)]
    await desk.take(*(event for one in lives for event in one.life()[:-1]))
    await desk.make_overdue(*lives)
    await asyncio.gather(reaper(desk)(), *(desk.take(one.succeeded()) for one in lives))
    for one in lives:
        assert desk.said(one.job_id) == ["accepted", "dispatched", "expired"]


@pytest.mark.parametrize("late", ["succeeded", "cancel", "failed"])
async def test_whatever_is_heard_after_the_deadline_the_job_expires(desk: Any, asked: Any, late: str) -> None:
    one = asked()
    await desk.take(*one.life()[:-1])
    await desk.make_overdue(one)
    await desk.take(getattr(one, late)())
    assert desk.said(one.job_id) == ["accepted", "dispatched", "expired"]
