"""Deadlines: every job ends, once, however many replicas look."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from closet_messaging.transaction import transaction
from job_orchestrator.worker import POLL_INTERVAL_S, end_due_jobs


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def reaper(harness: Any) -> Any:
    return partial(end_due_jobs, partial(transaction, harness.pool, harness))


async def test_jobs_past_their_deadline_expire_in_every_open_phase(harness: Any, job_facts: Any) -> None:
    waiting, running, done, early = (job_facts() for _ in range(4))
    await harness.handle(waiting.request(), running.request(), *running.ready(), running.held(), running.started())
    await harness.handle(*done.whole_run(), early.request())
    await harness.make_overdue(waiting, running, done)
    assert await reaper(harness)() is True
    assert harness.event_names(waiting.job_id) == ["accepted", "expired"]
    assert harness.event_names(running.job_id) == ["accepted", "dispatched", "expired"]
    assert harness.event_names(done.job_id)[-1] == "completed"
    assert harness.event_names(early.job_id) == ["accepted"]
    expired = harness.emitted[-1].data
    assert expired.code == "deadline_passed"
    assert expired.message.endswith("try again.")


async def test_a_result_after_the_deadline_changes_nothing(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(one.request(), *one.ready(), one.held(), one.started())
    await harness.make_overdue(one)
    await reaper(harness)()
    await harness.handle(one.succeeded())
    assert harness.event_names(one.job_id) == ["accepted", "dispatched", "expired"]
    assert (await harness.job(one.job_id))["phase"] == "expired"


async def test_it_sleeps_until_the_next_deadline_but_never_long(harness: Any, job_facts: Any) -> None:
    assert await reaper(harness)() == POLL_INTERVAL_S
    await harness.handle(job_facts(deadline=soon(900)).request())
    assert await reaper(harness)() == POLL_INTERVAL_S
    await harness.handle(job_facts(deadline=soon(3)).request())
    assert 0 < await reaper(harness)() <= 3


async def test_two_replicas_expire_each_job_once(harness: Any, job_facts: Any) -> None:
    late = [job_facts() for _ in range(250)]
    await harness.handle(*(one.request() for one in late))
    await harness.make_overdue(*late)

    async def work() -> None:
        while await reaper(harness)() is True:
            pass

    await asyncio.gather(work(), work())
    assert all(harness.event_names(one.job_id) == ["accepted", "expired"] for one in late)


async def test_it_leaves_a_job_that_is_being_handled_to_the_handler(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(one.request())
    await harness.make_overdue(one)
    async with harness.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM jobs FOR UPDATE")
        assert await reaper(harness)() == POLL_INTERVAL_S
    assert await reaper(harness)() is True
    assert harness.event_names(one.job_id)[-1] == "expired"


async def test_ended_jobs_are_not_in_the_index_it_looks_at(harness: Any, job_facts: Any) -> None:
    facts_of_jobs = [job_facts() for _ in range(50)]
    await harness.handle(*(event for one in facts_of_jobs for event in one.whole_run()))
    async with harness.pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute("SET LOCAL enable_sort = off")
        plan = await conn.fetch(
            """EXPLAIN ANALYZE SELECT * FROM jobs
            WHERE phase IN ('accepted', 'dispatched', 'running') AND deadline <= now() ORDER BY deadline LIMIT 9"""
        )
    text = " ".join(row[0] for row in plan)
    assert "Index Scan using jobs_due" in text
    assert "Rows Removed" not in text


async def test_a_result_and_the_deadline_at_once_give_one_end(harness: Any, job_facts: Any) -> None:
    """A client may have been told of the deadline already: what comes late changes nothing, reaper or not."""
    facts_of_jobs = [job_facts() for _ in range(20)]
    await harness.handle(*(event for one in facts_of_jobs for event in one.whole_run()[:-1]))
    await harness.make_overdue(*facts_of_jobs)
    await asyncio.gather(reaper(harness)(), *(harness.handle(one.succeeded()) for one in facts_of_jobs))
    for one in facts_of_jobs:
        assert harness.event_names(one.job_id) == ["accepted", "dispatched", "expired"]


@pytest.mark.parametrize("late", ["succeeded", "cancel", "failed"])
async def test_whatever_is_heard_after_the_deadline_the_job_expires(harness: Any, job_facts: Any, late: str) -> None:
    one = job_facts()
    await harness.handle(*one.whole_run()[:-1])
    await harness.make_overdue(one)
    await harness.handle(getattr(one, late)())
    assert harness.event_names(one.job_id) == ["accepted", "dispatched", "expired"]
