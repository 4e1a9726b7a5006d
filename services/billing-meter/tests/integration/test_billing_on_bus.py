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


async def told(bus: Any, job: Any, count: int) -> list[str]:
    async def facts() -> list[str]:
        events = [event for event in await bus.events() if event.correlationid == job.job_id]
        return [event.type.split(".")[2] for event in events] if len(events) >= count else []

    return await eventually(facts)


async def test_jobs_are_held_and_captured_once_though_all_is_said_twice(
    replica: Any, bus: Any, grant: Grant, new_job: Any, ledger: Any
) -> None:
    first = await replica()
    await replica()
    await grant("--tenant", "acme", "--credits", "100", "--receipt", "R-1")
    jobs = [new_job() for _ in range(25)]
    for job in jobs:
        await bus.publish(*[job.accepted()] * 2)
    said = [await told(bus, job, 1) for job in jobs]
    assert (said.count(["held"]), said.count(["denied"])) == (20, 5)
    for job, facts in zip(jobs, said, strict=True):
        end = job.completed() if facts == ["held"] else job.ended()
        await bus.publish(end, end)
    for job, facts in zip(jobs, said, strict=True):
        if facts == ["held"]:
            assert await told(bus, job, 2) == ["held", "captured"]
    assert await ledger.read_balance() == (0, 0)
    assert (await first.readiness.report()).ready


async def test_the_price_book_is_told_at_the_start(replica: Any, bus: Any) -> None:
    await replica()
    await eventually(bus.heard)
    book = (await bus.events())[0].data
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


async def test_prices_to_come_are_told_before_their_time_and_those_past_no_more(ledger: Any) -> None:
    await ledger.pool.execute(
        """
        INSERT INTO price_books (version, effective_from, book)
        SELECT new, since, book || jsonb_build_object('version', new)
        FROM (SELECT book FROM price_books LIMIT 1) AS one, (VALUES
            ('past', timestamptz '2025-01-01T00:00:00Z'), ('next', now() + interval '1 day')) AS t (new, since)
        """
    )
    async with transaction(ledger.pool, ledger) as tx:
        await publish_prices(tx)
    assert [event.data.book.version for event in ledger.emitted] == ["2026-11", "next"]
    assert ledger.emitted[0].data.effective_from < ledger.emitted[1].data.effective_from


async def test_a_grant_is_booked_once_and_told_at_once(bus: Any, grant: Grant) -> None:
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
    heard = [event.data for event in await bus.events()]
    assert isinstance(heard[0], CreditBalanceChanged)
    assert (heard[0].available, heard[0].version) == (200, 1)
    code, answer = await grant(*asked)
    assert (code, answer["outcome"], answer["balance"]) == (0, "known", 200)
    code, answer = await grant("--tenant", "acme", "--credits", "5", "--receipt", "R-7")
    assert (code, answer["outcome"], answer["balance"]) == (1, "refused", 200)
    assert len(await bus.events()) == 1


@pytest.mark.parametrize(
    "wrong", [("--tenant", "a@b"), ("--tenant", "acme", "--credits", "0"), ("--credits", "5")], ids=str
)
async def test_a_senseless_grant_is_refused(grant: Grant, wrong: tuple[str, ...]) -> None:
    code, _ = await grant("--receipt", "R-1", *wrong)
    assert code == 2


async def test_quotes_say_the_price_and_whether_it_is_covered(replica: Any, bus: Any, ledger: Any) -> None:
    await replica()
    await ledger.grant(7)
    quote = await rpc.ask(bus.nc, _quote(Chargeable(kind="tryon")))
    assert quote.price == Price(credits=5, usd_cents=50, book_version="2026-11")
    assert (quote.balance, quote.sufficient, quote.description) == (7, True, "tryon: 5 credits ($0.50)")
    large = await rpc.ask(bus.nc, _quote(Chargeable(kind="tryon", pixels=2048 * 2048)))
    assert (large.price.credits, large.sufficient) == (8, False)
    kept = await ledger.pool.fetch("SELECT quote_id, credits FROM quotes ORDER BY credits")
    assert [tuple(row) for row in kept] == [(quote.quote_id, 5), (large.quote_id, 8)]


async def test_what_has_no_price_is_not_quoted(replica: Any, bus: Any) -> None:
    await replica()
    with pytest.raises(RpcFailed, match="unpriceable"):
        await rpc.ask(bus.nc, _quote(Chargeable(kind="tryon", units=9)))


def _quote(item: Chargeable) -> QuotePrice:
    return QuotePrice(tenant_id="acme", user_id="u-1", item=item)


async def test_the_ledger_of_a_tenant_shows_holds_and_charges(
    replica: Any, bus: Any, ledger: Any, new_job: Any
) -> None:
    await replica()
    paid, failed, open_job = new_job(), new_job(), new_job()
    await ledger.grant(200, receipt="R-1")
    await ledger.grant(50, "zara")
    await ledger.handle(paid.accepted())
    await ledger.handle(failed.accepted())
    await ledger.handle(paid.completed())
    await ledger.handle(failed.ended())
    await ledger.handle(open_job.accepted())
    page = await rpc.ask(bus.nc, ReadLedger(account_id="tenant:acme"))
    assert (page.balance, page.held, page.available) == (195, 5, 190)
    assert [(line.kind, line.cause, line.amount, line.held, line.balance_after) for line in page.lines] == [
        ("hold", open_job.job_id, 0, 5, 195),
        ("release", failed.job_id, 0, -5, 195),
        ("capture", paid.job_id, -5, -5, 195),
        ("hold", failed.job_id, 0, 5, 200),
        ("hold", paid.job_id, 0, 5, 200),
        ("grant", "receipt:R-1", 200, 0, 200),
    ]
    newest = await rpc.ask(bus.nc, ReadLedger(account_id="tenant:acme", limit=3))
    assert newest.lines == page.lines[:3]


async def test_the_other_accounts_can_be_read_too(replica: Any, bus: Any, ledger: Any, new_job: Any) -> None:
    await replica()
    job = new_job()
    await ledger.grant(200)
    await ledger.handle(job.accepted())
    await ledger.handle(job.completed())
    accounts = ("house", "revenue", "holds:acme")
    pages = {account: await rpc.ask(bus.nc, ReadLedger(account_id=account)) for account in accounts}
    assert {account: page.balance for account, page in pages.items()} == {"house": -200, "revenue": 5, "holds:acme": 0}
    assert [line.amount for line in pages["holds:acme"].lines] == [-5, 5]
    with pytest.raises(RpcFailed, match="unknown_account"):
        await rpc.ask(bus.nc, ReadLedger(account_id="tenant:nobody"))
