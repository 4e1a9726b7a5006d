"""A person with very many open jobs withdraws consent: portion by portion, and nobody else waits for it."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

from closet_contracts.person import PersonConsentWithdrawn
from closet_messaging.transaction import transaction
from job_orchestrator.handlers.events import PORTION
from job_orchestrator.worker import stop_withdrawn


def withdrawal(one: Any) -> Any:
    at = one.consent_given_at + timedelta(minutes=1)
    return one.event(PersonConsentWithdrawn(user_id=one.user_id, withdrawn_at=at))


def stopper(desk: Any) -> Any:
    return partial(stop_withdrawn, partial(transaction, desk.pool, desk))


async def stop_all(desk: Any) -> None:
    while await stopper(desk)() is not False:
        pass


def cancelled(desk: Any) -> int:
    return sum(event.type == "closet.job.cancelled.v1" for event in desk.told)


async def test_a_transaction_stops_a_portion_and_the_rest_follows(desk: Any, asked: Any) -> None:
    lives = [asked() for _ in range(2 * PORTION + 7)]
    other = asked(user_id="u-2")
    later = asked(consent_given_at=lives[0].consent_given_at + timedelta(minutes=5))
    await desk.take(*(one.request() for one in (*lives, other, later)))
    await desk.take(withdrawal(lives[0]))
    assert cancelled(desk) == PORTION
    assert await stopper(desk)() is True
    assert cancelled(desk) == 2 * PORTION
    # What has not been stopped yet does not go on.
    rest = next(one for one in lives if "cancelled" not in desk.said(one.job_id))
    await desk.take(*rest.ready(), rest.held())
    assert desk.said(rest.job_id) == ["accepted", "cancelled"]
    await stop_all(desk)
    assert all(desk.said(one.job_id) == ["accepted", "cancelled"] for one in lives)
    assert desk.said(other.job_id) == desk.said(later.job_id) == ["accepted"]
    assert not await desk.pool.fetchval("SELECT pending FROM withdrawals")


async def test_two_replicas_stop_each_job_once(desk: Any, asked: Any) -> None:
    lives = [asked() for _ in range(3 * PORTION)]
    await desk.take(*(one.request() for one in lives))
    await desk.take(withdrawal(lives[0]))
    await asyncio.gather(stop_all(desk), stop_all(desk))
    await stop_all(desk)
    assert all(desk.said(one.job_id) == ["accepted", "cancelled"] for one in lives)


async def test_a_job_that_somebody_holds_holds_up_nobody_and_is_stopped_afterwards(desk: Any, asked: Any) -> None:
    one, other = asked(), asked()
    await desk.take(one.request(), other.request())
    async with desk.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM jobs WHERE job_id = $1 FOR UPDATE", one.job_id)
        await desk.take(withdrawal(one))
        assert desk.said(other.job_id) == ["accepted", "cancelled"]
        assert 0 < await stopper(desk)() < 1
    await stop_all(desk)
    assert desk.said(one.job_id) == ["accepted", "cancelled"]
