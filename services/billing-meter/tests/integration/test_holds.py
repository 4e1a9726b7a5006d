"""Holds, captures and releases on a real ledger: duplicates, disorder, crowds."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from billing_meter.handlers.holds import HoldMissing
from closet_contracts.credit import CreditDenied, CreditHeld
from closet_contracts.job import JobCancelled, JobExpired, JobFailed
from closet_contracts.work import Size


async def test_a_paid_job(ledger: Any, new_job: Any) -> None:
    job = new_job()
    await ledger.grant(200)
    await ledger.handle(job.accepted())
    assert await ledger.read_balance() == (200, 5)
    held = next(event.data for event in ledger.emitted if isinstance(event.data, CreditHeld))
    assert (held.account_id, held.credits, held.expires_at) == ("tenant:acme", 5, job.deadline + timedelta(hours=1))
    await ledger.handle(job.completed())
    assert await ledger.read_balance() == (195, 0)
    assert ledger.events_of(job) == ["held", "captured"]
    assert [(one.balance, one.held, one.available, one.version) for one in ledger.balances()] == [
        (200, 0, 200, 1),
        (200, 5, 195, 2),
        (195, 0, 195, 3),
    ]


@pytest.mark.parametrize("end", [JobFailed, JobCancelled, JobExpired])
async def test_a_job_that_ends_without_a_picture_costs_nothing(ledger: Any, new_job: Any, end: Any) -> None:
    job = new_job()
    await ledger.grant(200)
    await ledger.handle(job.accepted())
    await ledger.handle(job.ended(end))
    assert await ledger.read_balance() == (200, 0)
    assert ledger.events_of(job) == ["held", "released"]
    released = next(event.data for event in ledger.emitted if event.type == "closet.credit.released.v1")
    assert (released.credits, released.reason) == (5, "some_code")


async def test_of_a_cancelled_job_what_was_begun_is_paid_and_the_rest_given_back(ledger: Any, new_job: Any) -> None:
    job = new_job()
    await ledger.grant(200)
    await ledger.handle(job.accepted())
    await ledger.handle(job.cancelled(3), job.cancelled(3))
    assert await ledger.read_balance() == (197, 0)
    assert ledger.events_of(job) == ["held", "captured"]
    assert next(event.data.credits for event in ledger.emitted if event.type == "closet.credit.captured.v1") == 3


async def test_a_cancelled_job_of_which_something_was_begun_waits_for_its_hold(ledger: Any, new_job: Any) -> None:
    job = new_job()
    await ledger.grant(200)
    cancelled = job.cancelled(5)
    with pytest.raises(HoldMissing):
        await ledger.handle(cancelled)
    await ledger.handle(job.accepted(), cancelled)
    assert await ledger.read_balance() == (195, 0)


async def test_a_batch_tells_only_the_last_balance_of_an_account(ledger: Any, new_job: Any) -> None:
    jobs = [new_job() for _ in range(10)]
    await ledger.grant(100)
    await ledger.grant(100, "zara")
    await ledger.handle(*(job.accepted() for job in jobs), new_job(tenant="zara").accepted())
    assert [(one.held, one.version) for one in ledger.balances()] == [(0, 1), (50, 11)]
    assert [(one.held, one.version) for one in ledger.balances("zara")] == [(0, 1), (5, 2)]
    assert all(ledger.events_of(job) == ["held"] for job in jobs)


async def test_facts_told_again_count_once(ledger: Any, new_job: Any) -> None:
    job, failed = new_job(), new_job()
    await ledger.grant(200)
    for _ in range(3):
        await ledger.handle(job.accepted(), job.accepted(), failed.accepted())
    for _ in range(3):
        await ledger.handle(job.completed(), failed.ended(), failed.ended(JobExpired))
    await ledger.handle(job.accepted(), failed.accepted())
    assert ledger.events_of(job) == ["held", "captured"]
    assert ledger.events_of(failed) == ["held", "released"]
    assert await ledger.read_balance() == (195, 0)


async def test_too_little_is_denied_once_and_stays_denied(ledger: Any, new_job: Any) -> None:
    job = new_job()
    await ledger.grant(4)
    await ledger.handle(job.accepted())
    await ledger.grant(100)
    await ledger.handle(job.accepted())
    denied = ledger.emitted[1].data
    assert isinstance(denied, CreditDenied)
    assert (denied.code, denied.required, denied.available) == ("insufficient_credits", 5, 4)
    await ledger.handle(job.ended())
    assert ledger.events_of(job) == ["denied"]
    assert await ledger.read_balance() == (104, 0)


async def test_a_tenant_never_seen_has_nothing(ledger: Any, new_job: Any) -> None:
    job = new_job(tenant="newcomer")
    await ledger.handle(job.accepted())
    assert ledger.events_of(job) == ["denied"]
    assert await ledger.read_balance("newcomer") == (0, 0)


@pytest.mark.parametrize(
    "wrong",
    [{"credits": 4}, {"credits": 6}, {"book": "2020-01"}, {"size": Size(width=2048, height=2048)}],
    ids=str,
)
async def test_a_price_that_its_book_does_not_say_is_denied(ledger: Any, new_job: Any, wrong: Any) -> None:
    job = new_job(**wrong)
    await ledger.grant(200)
    await ledger.handle(job.accepted())
    denied = ledger.emitted[-1].data
    assert isinstance(denied, CreditDenied)
    assert (denied.code, denied.available) == ("price_changed", 200)
    assert await ledger.read_balance() == (200, 0)


async def test_the_price_of_a_large_picture_is_agreed(ledger: Any, new_job: Any) -> None:
    job = new_job(credits=8, size=Size(width=2048, height=2048))
    await ledger.grant(200)
    await ledger.handle(job.accepted())
    await ledger.handle(job.completed())
    assert await ledger.read_balance() == (192, 0)


async def test_an_end_before_the_hold_bars_it(ledger: Any, new_job: Any) -> None:
    job = new_job()
    await ledger.grant(200)
    await ledger.handle(job.ended(JobCancelled))
    await ledger.handle(job.accepted())
    assert ledger.events_of(job) == []
    assert await ledger.read_balance() == (200, 0)


async def test_completion_before_the_hold_waits_for_it(ledger: Any, new_job: Any) -> None:
    job = new_job()
    await ledger.grant(200)
    completed = job.completed()
    with pytest.raises(HoldMissing):
        await ledger.handle(completed)
    await ledger.handle(job.accepted())
    await ledger.handle(completed)
    assert await ledger.read_balance() == (195, 0)


async def test_completion_after_the_release_is_a_loss_that_shows_and_never_a_charge(ledger: Any, new_job: Any) -> None:
    job = new_job()
    await ledger.grant(200)
    await ledger.handle(job.accepted(), job.ended())
    await ledger.handle(job.completed())
    await ledger.handle(job.completed())
    assert ledger.events_of(job) == ["held", "released"]
    assert await ledger.read_balance() == (200, 0)
    losses = await ledger.pool.fetch("SELECT job_id, tenant_id, credits, hold_state FROM losses")
    assert [tuple(row) for row in losses] == [(job.job_id, "acme", 5, "released")]


async def test_at_most_the_hold_is_captured_and_the_rest_released(ledger: Any, new_job: Any) -> None:
    dear, cheap = new_job(), new_job()
    await ledger.grant(200)
    await ledger.handle(dear.accepted(), cheap.accepted())
    dear.credits, cheap.credits = 500, 3
    await ledger.handle(dear.completed(), cheap.completed())
    assert await ledger.read_balance() == (192, 0)


async def test_another_tenants_job_cannot_be_settled(ledger: Any, new_job: Any) -> None:
    job = new_job()
    await ledger.grant(200)
    await ledger.grant(200, "evil")
    await ledger.handle(job.accepted())
    with pytest.raises(HoldMissing):
        await ledger.handle(new_job(tenant="evil", job_id=job.job_id).completed())
    assert await ledger.read_balance() == (200, 5)
    assert await ledger.read_balance("evil") == (200, 0)


async def test_of_200_at_once_exactly_the_50_that_are_covered_succeed(ledger: Any, new_job: Any) -> None:
    jobs = [new_job() for _ in range(200)]
    await ledger.grant(250)
    await asyncio.gather(*(ledger.handle(job.accepted()) for job in jobs))
    said = [ledger.events_of(job) for job in jobs]
    assert (said.count(["held"]), said.count(["denied"])) == (50, 150)
    assert await ledger.read_balance() == (250, 250)
    versions = [one.version for one in ledger.balances()]
    assert sorted(versions) == list(range(1, 52))


async def test_everything_at_once_on_several_accounts_adds_up(ledger: Any, new_job: Any) -> None:
    """Batches of two replicas with the same tenants, in the order that the consumer gives them."""
    tenants = ["acme", "evil", "zara"]
    for tenant in tenants:
        await ledger.grant(1000, tenant)
    jobs = sorted((new_job(tenant=tenants[i % 3]) for i in range(90)), key=lambda job: (job.tenant, job.job_id))
    await asyncio.gather(*(ledger.handle(*(job.accepted() for job in jobs[i::4])) for i in range(4)))
    ends = [job.completed() if i % 2 else job.ended() for i, job in enumerate(jobs)]
    again = [job.completed() if i % 2 else job.ended() for i, job in enumerate(jobs)]
    await asyncio.gather(ledger.handle(*ends), ledger.handle(*again))
    assert [await ledger.read_balance(tenant) for tenant in tenants] == [(925, 0)] * 3


async def test_the_expiry_of_a_late_job_counts_from_now(ledger: Any, new_job: Any) -> None:
    job = new_job(deadline=datetime.now(UTC) - timedelta(days=1))
    await ledger.grant(200)
    await ledger.handle(job.accepted())
    assert ledger.emitted[1].data.expires_at > datetime.now(UTC) + timedelta(minutes=59)
