"""A person with very many open jobs withdraws consent: portion by portion, and nobody else waits for it."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

from closet_contracts.person import PersonConsentWithdrawn
from closet_messaging.transaction import transaction
from job_orchestrator.handlers.events import STOP_BATCH_SIZE
from job_orchestrator.worker import stop_withdrawn_jobs


def withdrawal(one: Any) -> Any:
    at = one.consent_given_at + timedelta(minutes=1)
    return one.event(PersonConsentWithdrawn(user_id=one.user_id, withdrawn_at=at))


def stopper(harness: Any) -> Any:
    return partial(stop_withdrawn_jobs, partial(transaction, harness.pool, harness))


async def stop_all(harness: Any) -> None:
    while await stopper(harness)() is not False:
        pass


def cancelled(harness: Any) -> int:
    return sum(event.type == "closet.job.cancelled.v1" for event in harness.emitted)


async def test_a_transaction_stops_a_portion_and_the_rest_follows(harness: Any, job_facts: Any) -> None:
    facts_of_jobs = [job_facts() for _ in range(2 * STOP_BATCH_SIZE + 7)]
    other = job_facts(user_id="u-2")
    later = job_facts(consent_given_at=facts_of_jobs[0].consent_given_at + timedelta(minutes=5))
    await harness.handle(*(one.request() for one in (*facts_of_jobs, other, later)))
    await harness.handle(withdrawal(facts_of_jobs[0]))
    assert cancelled(harness) == STOP_BATCH_SIZE
    assert await stopper(harness)() is True
    assert cancelled(harness) == 2 * STOP_BATCH_SIZE
    # What has not been stopped yet does not go on.
    rest = next(one for one in facts_of_jobs if "cancelled" not in harness.event_names(one.job_id))
    await harness.handle(*rest.ready(), rest.held())
    assert harness.event_names(rest.job_id) == ["accepted", "cancelled"]
    await stop_all(harness)
    assert all(harness.event_names(one.job_id) == ["accepted", "cancelled"] for one in facts_of_jobs)
    assert harness.event_names(other.job_id) == harness.event_names(later.job_id) == ["accepted"]
    assert not await harness.pool.fetchval("SELECT pending FROM withdrawals")


async def test_two_replicas_stop_each_job_once(harness: Any, job_facts: Any) -> None:
    facts_of_jobs = [job_facts() for _ in range(3 * STOP_BATCH_SIZE)]
    await harness.handle(*(one.request() for one in facts_of_jobs))
    await harness.handle(withdrawal(facts_of_jobs[0]))
    await asyncio.gather(stop_all(harness), stop_all(harness))
    await stop_all(harness)
    assert all(harness.event_names(one.job_id) == ["accepted", "cancelled"] for one in facts_of_jobs)


async def test_a_job_that_somebody_holds_holds_up_nobody_and_is_stopped_afterwards(
    harness: Any, job_facts: Any
) -> None:
    one, other = job_facts(), job_facts()
    await harness.handle(one.request(), other.request())
    async with harness.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM jobs WHERE job_id = $1 FOR UPDATE", one.job_id)
        await harness.handle(withdrawal(one))
        assert harness.event_names(other.job_id) == ["accepted", "cancelled"]
        assert 0 < await stopper(harness)() < 1
    await stop_all(harness)
    assert harness.event_names(one.job_id) == ["accepted", "cancelled"]
