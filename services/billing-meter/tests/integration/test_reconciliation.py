"""Comparing a day: everything that was planted is found, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

from billing_meter.handlers.reconciliation import DIFFERENCES, reconcile
from billing_meter.worker.reconcile import reconcile_yesterday

from tests.bench.money.planting import PLANTS, SOUND_JOBS, YESTERDAY, Field


async def test_sound_books_have_no_differences(office: Any) -> None:
    books = Field(office.counter.pool, office.stripe)
    await books.sow()
    outcome = await reconcile(books.pool, office.stripe.usage_of, YESTERDAY)
    assert outcome.differences == ()
    assert outcome.compared == {
        "completed": SOUND_JOBS * 3 // 4,
        "captured": SOUND_JOBS * 3 // 4,
        "renders": SOUND_JOBS * 3 // 4,
        "vendor_calls": SOUND_JOBS * 3 // 2,
        "usages": SOUND_JOBS * 3 // 4,
        "customers": 2,
    }


async def test_every_planted_difference_is_found_and_nothing_else(office: Any) -> None:
    books = Field(office.counter.pool, office.stripe)
    await books.sow()
    await books.plant()
    outcome = await reconcile(books.pool, office.stripe.usage_of, YESTERDAY)
    assert sorted((one.kind, one.id) for one in outcome.differences) == sorted(books.planted)
    assert len(books.planted) == len(PLANTS) >= 10
    assert next(iter(DIFFERENCES.collect())).samples[0].value == len(PLANTS)
    other_day = await reconcile(books.pool, office.stripe.usage_of, YESTERDAY - timedelta(days=1))
    assert [one.kind for one in other_day.differences] == ["balance_astray"]


async def test_jobs_of_a_moment_ago_are_not_compared_yet(office: Any, new_job: Any) -> None:
    await office.counter.grant(200)
    job = new_job()
    await office.counter.take(job.accepted(), job.completed())
    outcome = await reconcile(office.counter.pool, office.stripe.usage_of, datetime.now(UTC).date())
    assert outcome.differences == ()


async def test_yesterday_is_compared_once(office: Any) -> None:
    pool = office.counter.pool
    await reconcile_yesterday(pool, office.stripe.usage_of)
    at = await pool.fetchval("SELECT at FROM reconciliations")
    await reconcile_yesterday(pool, None)
    assert await pool.fetchval("SELECT at FROM reconciliations") == at
