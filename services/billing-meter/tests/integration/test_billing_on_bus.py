"""The whole service, in two replicas, on a real bus: prices, holds, questions, and the operator's hand."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from billing_meter.handlers.receipts import publish_prices
from closet_contracts.credit import Chargeable, CreditBalanceChanged, CreditPricesPublished, Price
from closet_contracts.rpc import QuotePrice, ReadLedger
from closet_devstack.testing import eventually
from closet_messaging import rpc
from closet_messaging.rpc import RpcFailed
from closet_messaging.transaction import transaction

Grant = Callable[..., Any]


@pytest.fixture
def grant(database_url: str, owner_url: str, nats_url: Callable[[str], str]) -> Grant:
    """Runs the operator's verb as a process of its own; returns its exit code and what it printed."""

    async def run(*arguments: str) -> tuple[int | None, dict[str, Any]]:
        env = os.environ | {
            "CLOSET_DATABASE_URL": database_url,
            "CLOSET_MIGRATIONS_URL": owner_url,
            "CLOSET_NATS_URL": nats_url("billing-meter"),
        }
        command = [sys.executable, "-m", "billing_meter", "grant", *arguments]
        process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
        printed, _ = await process.communicate()
        return process.returncode, json.loads(printed or b"{}")

    return run


async def told(world: Any, job: Any, count: int) -> list[str]:
    async def facts() -> list[str]:
        events = [event for event in await world.heard() if event.correlationid == job.job_id]
        return [event.type.split(".")[2] for event in events] if len(events) >= count else []

    return await eventually(facts)


async def test_jobs_are_held_and_captured_once_though_all_is_said_twice(
    replica: Any, world: Any, grant: Grant, new_job: Any, counter: Any
) -> None:
    first = await replica()
    await replica()
    await grant("--tenant", "acme", "--credits", "100", "--receipt", "R-1")
    jobs = [new_job() for _ in range(25)]
    for job in jobs:
        await world.say(*[job.accepted()] * 2)
    said = [await told(world, job, 1) for job in jobs]
    assert (said.count(["held"]), said.count(["denied"])) == (20, 5)
    for job, facts in zip(jobs, said, strict=True):
        end = job.completed() if facts == ["held"] else job.ended()
        await world.say(end, end)
    for job, facts in zip(jobs, said, strict=True):
        if facts == ["held"]:
            assert await told(world, job, 2) == ["held", "captured"]
    assert await counter.stands() == (0, 0)
    assert (await first.readiness.report()).ready


async def test_the_price_book_is_told_at_the_start(replica: Any, world: Any) -> None:
    await replica()
    await eventually(world.heard)
    book = (await world.heard())[0].data
    assert isinstance(book, CreditPricesPublished)
    assert book.book.credits == {
        "text2img": 3,
        "tryon": 5,
        "edit": 4,
        "batch": 2,
        "hairstyle": 5,
        "skin-analysis": 18,
    }
    assert set(book.book.tiers) == {"skin-analysis"}


async def test_prices_to_come_are_told_before_their_time_and_those_past_no_more(counter: Any) -> None:
    await counter.pool.execute(
        """
        INSERT INTO price_books (version, effective_from, book)
        SELECT new, since, book || jsonb_build_object('version', new)
        FROM (SELECT book FROM price_books LIMIT 1) AS one, (VALUES
            ('past', timestamptz '2025-01-01T00:00:00Z'), ('next', now() + interval '1 day')) AS t (new, since)
        """
    )
    async with transaction(counter.pool, counter) as tx:
        await publish_prices(tx)
    assert [event.data.book.version for event in counter.told] == ["2026-11", "next"]
    assert counter.told[0].data.effective_from < counter.told[1].data.effective_from


async def test_a_grant_is_booked_once_and_told_at_once(world: Any, grant: Grant) -> None:
    """Without the service: the verb itself tells the new balance."""
    asked = ("--tenant", "acme", "--credits", "200", "--receipt", "R-7", "--actor", "jo", "--reason", "first order")
    code, answer = await grant(*asked)
    assert (code, answer) == (
        0,
        {
            "outcome": "granted",
            "account": "tenant:acme",
            "receipt": "R-7",
            "credits": 200,
            "balance": 200,
            "held": 0,
            "available": 200,
        },
    )
    heard = [event.data for event in await world.heard()]
    assert isinstance(heard[0], CreditBalanceChanged)
    assert (heard[0].available, heard[0].version) == (200, 1)
    code, answer = await grant(*asked)
    assert (code, answer["outcome"], answer["balance"]) == (0, "known", 200)
    code, answer = await grant("--tenant", "acme", "--credits", "5", "--receipt", "R-7")
    assert (code, answer["outcome"], answer["balance"]) == (1, "refused", 200)
    assert len(await world.heard()) == 1


@pytest.mark.parametrize(
    "wrong", [("--tenant", "a@b"), ("--tenant", "acme", "--credits", "0"), ("--credits", "5")], ids=str
)
async def test_a_senseless_grant_is_refused(grant: Grant, wrong: tuple[str, ...]) -> None:
    code, _ = await grant("--receipt", "R-1", *wrong)
    assert code == 2


async def test_quotes_say_the_price_and_whether_it_is_covered(replica: Any, world: Any, counter: Any) -> None:
    await replica()
    await counter.grant(7)
    quote = await rpc.ask(world.nc, _quote(Chargeable(kind="tryon")))
    assert quote.price == Price(credits=5, usd_cents=50, book_version="2026-11")
    assert (quote.balance, quote.sufficient, quote.description) == (7, True, "tryon: 5 credits ($0.50)")
    large = await rpc.ask(world.nc, _quote(Chargeable(kind="tryon", pixels=2048 * 2048)))
    assert (large.price.credits, large.sufficient) == (8, False)
    kept = await counter.pool.fetch("SELECT quote_id, credits FROM quotes ORDER BY credits")
    assert [tuple(row) for row in kept] == [(quote.quote_id, 5), (large.quote_id, 8)]


async def test_what_has_no_price_is_not_quoted(replica: Any, world: Any) -> None:
    await replica()
    with pytest.raises(RpcFailed, match="unpriceable"):
        await rpc.ask(world.nc, _quote(Chargeable(kind="tryon", units=9)))


def _quote(item: Chargeable) -> QuotePrice:
    return QuotePrice(tenant_id="acme", user_id="u-1", item=item)


async def test_the_ledger_of_a_tenant_shows_holds_and_charges(
    replica: Any, world: Any, counter: Any, new_job: Any
) -> None:
    await replica()
    paid, failed, open_job = new_job(), new_job(), new_job()
    await counter.grant(200, receipt="R-1")
    await counter.grant(50, "zara")
    await counter.take(paid.accepted())
    await counter.take(failed.accepted())
    await counter.take(paid.completed())
    await counter.take(failed.ended())
    await counter.take(open_job.accepted())
    page = await rpc.ask(world.nc, ReadLedger(account_id="tenant:acme"))
    assert (page.balance, page.held, page.available) == (195, 5, 190)
    assert [(line.kind, line.cause, line.amount, line.held, line.balance_after) for line in page.lines] == [
        ("hold", open_job.job_id, 0, 5, 195),
        ("release", failed.job_id, 0, -5, 195),
        ("capture", paid.job_id, -5, -5, 195),
        ("hold", failed.job_id, 0, 5, 200),
        ("hold", paid.job_id, 0, 5, 200),
        ("grant", "receipt:R-1", 200, 0, 200),
    ]
    newest = await rpc.ask(world.nc, ReadLedger(account_id="tenant:acme", limit=3))
    assert newest.lines == page.lines[:3]


async def test_the_other_accounts_can_be_read_too(replica: Any, world: Any, counter: Any, new_job: Any) -> None:
    await replica()
    job = new_job()
    await counter.grant(200)
    await counter.take(job.accepted())
    await counter.take(job.completed())
    accounts = ("house", "revenue", "holds:acme")
    pages = {account: await rpc.ask(world.nc, ReadLedger(account_id=account)) for account in accounts}
    assert {account: page.balance for account, page in pages.items()} == {"house": -200, "revenue": 5, "holds:acme": 0}
    assert [line.amount for line in pages["holds:acme"].lines] == [-5, 5]
    with pytest.raises(RpcFailed, match="unknown_account"):
        await rpc.ask(world.nc, ReadLedger(account_id="tenant:nobody"))
