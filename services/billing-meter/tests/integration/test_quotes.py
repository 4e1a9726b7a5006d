"""What was quoted is what is held and what is charged, for everything that can be asked for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from billing_meter.rpc import quote_price
from closet_contracts.credit import CreditCaptured, CreditDenied, CreditHeld
from closet_contracts.rpc import QuotePrice
from closet_contracts.work import WORK, Concern, Work

HOUR = timedelta(hours=1)
SIZES = [None, {"width": 1024, "height": 1024}, {"width": 1024, "height": 1025}, {"width": 4096, "height": 4096}]


def sized(**fields: Any) -> Iterator[dict[str, Any]]:
    for size in SIZES:
        yield fields | ({"size": size} if size else {})


def everything() -> Iterator[dict[str, Any]]:
    """Every kind of work with every option that a price could depend on."""
    yield from sized(kind="tryon")
    yield from sized(kind="edit", prompt="brighter")
    for variants in range(1, 9):
        yield from sized(kind="text2img", prompt="a red coat", variants=variants)
    yield from ({"kind": "hairstyle"}, {"kind": "hairstyle", "templateId": "t-1"})
    for count in range(1, len(Concern) + 1):
        for hd in (False, True):
            yield {"kind": "skin-analysis", "actions": list(Concern)[:count], "hd": hd}
    for count in (1, 2, 3, 50):
        for each in (*sized(kind="tryon"), *sized(kind="text2img", prompt="a red coat"), {"kind": "hairstyle"}):
            yield {"kind": "batch", "items": [each] * count}
    yield {"kind": "batch", "items": [*sized(kind="edit", prompt="brighter"), {"kind": "hairstyle"}]}


async def quoted(ledger: Any, work: Work, user: str = "u-1", ttl: timedelta = HOUR) -> Any:
    return await quote_price(ledger.pool, ttl, QuotePrice(tenant_id="acme", user_id=user, item=work.chargeable()))


async def test_the_quote_is_what_is_held_and_charged_over_the_whole_table(ledger: Any, new_job: Any) -> None:
    works = [WORK.validate_python(one) for one in everything()]
    assert len(works) > 105
    await ledger.grant(100_000)
    jobs, due = [], 0
    for number, work in enumerate(works):
        quote = await quoted(ledger, work)
        job = new_job(work=work, credits=quote.price.credits, quote_id=quote.quote_id if number % 2 else None)
        await ledger.handle(job.accepted())
        await ledger.handle(job.completed())
        jobs.append(job)
        due += quote.price.credits
    for kind in (CreditHeld, CreditCaptured):
        facts = {event.data.job_id: event.data.credits for event in ledger.emitted if isinstance(event.data, kind)}
        assert facts == {job.job_id: job.credits for job in jobs}
    assert await ledger.read_balance() == (100_000 - due, 0)


@pytest.mark.parametrize(
    ("hd", "tiers"), [(False, [18, 24, 28, 32]), (True, [24, 32, 40, 44])], ids=["standard", "high resolution"]
)
async def test_skin_analysis_is_sold_by_how_much_of_it_is_asked_for(ledger: Any, hd: bool, tiers: list[int]) -> None:
    costs = []
    for count in range(1, len(Concern) + 1):
        work = WORK.validate_python({"kind": "skin-analysis", "actions": list(Concern)[:count], "hd": hd})
        costs.append(await quoted(ledger, work))
    assert [cost.price.credits for cost in costs] == [credits for credits in tiers for _ in range(4)]
    assert (
        costs[4].description == f"skin-analysis ({'hd' if hd else 'sd'}, 5): {tiers[1]} credits (${tiers[1] / 10:.2f})"
    )


async def test_a_job_that_was_sold_by_the_older_book_costs_what_it_says(ledger: Any, new_job: Any) -> None:
    await ledger.grant(200)
    work = WORK.validate_python({"kind": "skin-analysis", "actions": list(Concern)[:5]})
    job = new_job(work=work, credits=4, book="2026-01")
    await ledger.handle(job.accepted())
    assert ledger.events_of(job) == ["held"]


async def test_a_quote_holds_though_the_book_has_changed(ledger: Any, new_job: Any) -> None:
    await ledger.grant(200)
    quote = await quoted(ledger, WORK.validate_python({"kind": "tryon"}))
    await ledger.pool.execute(
        """INSERT INTO price_books SELECT 'dearer', now(), book || '{"version": "dearer", "credits": {"tryon": 50}}'
        FROM price_books LIMIT 1"""
    )
    assert (await quoted(ledger, WORK.validate_python({"kind": "tryon"}))).price.credits == 50
    job = new_job(quote_id=quote.quote_id)
    await ledger.handle(job.accepted())
    assert ledger.events_of(job) == ["held"]
    assert await ledger.read_balance() == (200, 5)


@pytest.mark.parametrize("wrong", ["user", "work", "expired", "unknown", "tenant"])
async def test_a_quote_that_does_not_fit_is_denied(ledger: Any, new_job: Any, wrong: str) -> None:
    tenant = "evil" if wrong == "tenant" else "acme"
    await ledger.grant(200, tenant)
    work = WORK.validate_python({"kind": "hairstyle"} if wrong == "work" else {"kind": "tryon"})
    quote = await quoted(ledger, work, "u-2" if wrong == "user" else "u-1", -HOUR if wrong == "expired" else HOUR)
    job = new_job(tenant=tenant, quote_id="quo_nobodys" if wrong == "unknown" else quote.quote_id)
    await ledger.handle(job.accepted())
    (denied,) = [event.data for event in ledger.emitted if isinstance(event.data, CreditDenied)]
    assert (denied.code, denied.available) == ("quote_invalid", 200)


async def test_a_quote_that_ran_out_on_the_way_still_holds(ledger: Any, new_job: Any) -> None:
    """It counts when the job was asked for, not when we heard of it."""
    await ledger.grant(200)
    quote = await quoted(ledger, WORK.validate_python({"kind": "tryon"}))
    job = new_job(quote_id=quote.quote_id)
    await ledger.pool.execute("UPDATE quotes SET expires_at = $1", datetime.now(UTC))
    await ledger.handle(job.accepted())
    assert ledger.events_of(job) == ["held"]


async def test_a_quote_does_not_make_a_job_cheaper_than_it_says(ledger: Any, new_job: Any) -> None:
    await ledger.grant(200)
    quote = await quoted(ledger, WORK.validate_python({"kind": "tryon"}))
    job = new_job(quote_id=quote.quote_id, credits=1)
    await ledger.handle(job.accepted())
    assert ledger.emitted[-1].data.code == "price_changed"


async def test_a_tenant_is_quoted_its_own_price(ledger: Any, new_job: Any) -> None:
    await ledger.pool.execute(
        """INSERT INTO price_books SELECT 'own', now(),
            book || '{"version": "own", "overrides": {"acme": {"tryon": 4}}}' FROM price_books LIMIT 1"""
    )
    await ledger.grant(200)
    quote = await quoted(ledger, WORK.validate_python({"kind": "tryon"}))
    assert (quote.price.credits, quote.price.book_version) == (4, "own")
    job = new_job(credits=4, book="own")
    await ledger.handle(job.accepted())
    assert ledger.events_of(job) == ["held"]
