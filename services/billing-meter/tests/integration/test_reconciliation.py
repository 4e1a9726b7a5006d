"""Comparing a day: everything that was planted is found, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

from billing_meter.handlers.reconciliation import DIFFERENCES, reconcile
from billing_meter.worker.reconcile import reconcile_yesterday

from tests.bench.money.planting import PLANTS, SOUND_JOBS, YESTERDAY, Field


async def test_sound_books_have_no_differences(harness: Any) -> None:
    books = Field(harness.ledger.owner, harness.stripe)
    await books.sow()
    outcome = await reconcile(harness.ledger.pool, harness.stripe.usage_of, YESTERDAY)
    assert outcome.differences == ()
    assert outcome.compared == {
        "completed": SOUND_JOBS * 3 // 4,
        "captured": SOUND_JOBS * 3 // 4,
        "renders": SOUND_JOBS * 3 // 4,
        "vendor_calls": SOUND_JOBS * 3 // 2,
        "usages": SOUND_JOBS * 3 // 4,
        "customers": 2,
    }


async def test_every_planted_difference_is_found_and_nothing_else(harness: Any) -> None:
    books = Field(harness.ledger.owner, harness.stripe)
    await books.sow()
    await books.plant()
    outcome = await reconcile(harness.ledger.pool, harness.stripe.usage_of, YESTERDAY)
    assert sorted((one.kind, one.id) for one in outcome.differences) == sorted(books.planted)
    assert len(books.planted) == len(PLANTS) >= 10
    assert next(iter(DIFFERENCES.collect())).samples[0].value == len(PLANTS)
    other_day = await reconcile(harness.ledger.pool, harness.stripe.usage_of, YESTERDAY - timedelta(days=1))
    assert [one.kind for one in other_day.differences] == ["balance_astray"]


async def test_jobs_of_a_moment_ago_are_not_compared_yet(harness: Any, new_job: Any) -> None:
    await harness.ledger.grant(200)
    job = new_job()
    await harness.ledger.handle(job.accepted(), job.completed())
    outcome = await reconcile(harness.ledger.pool, harness.stripe.usage_of, datetime.now(UTC).date())
    assert outcome.differences == ()


async def test_what_cancelled_jobs_paid_agrees(harness: Any, new_job: Any) -> None:
    ledger = harness.ledger
    await ledger.grant(200)
    begun, waiting, short = new_job(), new_job(), new_job()
    await ledger.handle(begun.accepted(), waiting.accepted(), short.accepted())
    await ledger.handle(begun.cancelled(3), waiting.cancelled(0), short.cancelled(2))
    await ledger.owner.execute("UPDATE holds SET captured = 5 WHERE job_id = $1", short.job_id)
    await ledger.pool.execute("UPDATE job_ends SET ended_at = ended_at - interval '1 day'")
    await ledger.owner.execute("UPDATE holds SET settled_at = settled_at - interval '1 day'")
    day = datetime.now(UTC).date() - timedelta(days=1)
    outcome = await reconcile(ledger.pool, harness.stripe.usage_of, day)
    found = {(one.kind, one.id, one.expected, one.found) for one in outcome.differences}
    assert found == {("capture_differs", short.job_id, 2, 5), ("capture_not_booked", short.job_id, 5, 2)}


async def test_yesterday_is_compared_once(harness: Any) -> None:
    pool = harness.ledger.pool
    await reconcile_yesterday(pool, harness.stripe.usage_of)
    at = await pool.fetchval("SELECT at FROM reconciliations")
    await reconcile_yesterday(pool, None)
    assert await pool.fetchval("SELECT at FROM reconciliations") == at
