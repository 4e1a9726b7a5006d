"""What an operator does by hand, verb by verb, in the order of a shop's first months."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from billing_meter.admin import _GOOD, _parser
from closet_messaging.transaction import transaction

UNTIL = ("--until", "2099-01-01")
ACME = ("--tenant", "acme")
K1 = (*ACME, "--device", "k1")
MONEY = (*ACME, "--credits")


async def do(ledger: Any, *arguments: str) -> dict[str, Any]:
    options: Namespace = _parser().parse_args(arguments)
    async with transaction(ledger.pool, ledger) as tx:
        return dict(await options.run(tx, options))


async def outcome(ledger: Any, *arguments: str) -> str:
    return str((await do(ledger, *arguments))["outcome"])


async def test_a_device_is_topped_up_and_promises(ledger: Any, new_job: Any) -> None:
    topup = ("topup", *K1, "--credits", "50", "--receipt", "R-1")
    assert (await do(ledger, *topup))["account"] == "device:k1"
    assert await outcome(ledger, *topup) == "known"
    promise = ("promise", *K1, "--promise", "p-1", "--credits", "20", *UNTIL)
    assert (await do(ledger, *promise))["available"] == 30
    job = new_job()
    draw = ("draw", *MONEY, "5", "--promise", "p-1", "--job", job.job_id, *UNTIL)
    assert [await outcome(ledger, *draw), await outcome(ledger, *draw)] == ["held", "known"]
    await ledger.handle(job.accepted(), job.completed())
    settled = await do(ledger, "settle", *ACME, "--promise", "p-1")
    assert (settled["outcome"], settled["credits"], settled["available"]) == ("settled", 15, 45)
    assert await outcome(ledger, "promise", *K1, "--promise", "p-2", "--credits", "46", *UNTIL) == "denied"


async def test_credits_are_given_for_a_time_refunded_and_put_right(ledger: Any, new_job: Any) -> None:
    await do(ledger, "grant", *MONEY, "100", "--receipt", "R-1")
    assert await outcome(ledger, "promote", *MONEY, "5", "--receipt", "R-2", *UNTIL) == "granted"
    job = new_job()
    await ledger.handle(job.accepted(), job.completed())
    refund = ("refund", *MONEY, "5", "--job", job.job_id, "--receipt", "1", "--reason", "blurred")
    assert [await outcome(ledger, *refund), await outcome(ledger, *refund)] == ["refunded", "known"]
    assert await outcome(ledger, "adjust", *MONEY, "-10", "--receipt", "2", "--reason", "a slip") == "adjusted"
    assert await ledger.read_balance() == (95, 0)
    assert await do(ledger, "rebuild") == {"outcome": "rebuilt", "wrong": 0}


async def test_thresholds_are_a_wallets_own(ledger: Any, new_job: Any) -> None:
    assert await outcome(ledger, "low-balance", *ACME, "--at", "8") == "missing"
    await do(ledger, "grant", *MONEY, "12", "--receipt", "R-1")
    assert await outcome(ledger, "low-balance", *ACME, "--at", "8,3") == "set"
    await ledger.handle(new_job().accepted())
    assert [event.data.threshold for event in ledger.emitted if event.type == "closet.credit.balance_low.v1"] == [8]


async def test_a_price_book_is_added_once_and_told(ledger: Any, tmp_path: Path) -> None:
    book = tmp_path / "book.json"
    book.write_text(json.dumps({"version": "2099-01", "credits": {"tryon": 9}, "overrides": {"acme": {"tryon": 8}}}))
    added = [await outcome(ledger, "prices", str(book), "--from", "2099-01-01") for _ in range(2)]
    assert added == ["added", "refused"]
    assert [event.data.book.version for event in ledger.emitted] == ["2026-11", "2099-01"]


async def test_a_purchase_at_stripe_from_order_to_refund(harness: Any) -> None:
    ledger = harness.ledger
    queued = await do(ledger, "checkout", *K1, "--credits", "100")
    assert (queued["outcome"], queued["usdCents"]) == ("queued", 1000)
    await harness.work()
    shown = await do(ledger, "show-topup", "--topup", queued["topup"])
    assert (shown["state"], shown["url"].rpartition("/")[0]) == ("open", f"{harness.sandbox.url}/_sandbox/pay")
    await harness.sandbox.pay(shown["url"].rpartition("/")[2])
    await harness.work_after(1)
    assert (await do(ledger, "show-topup", "--topup", queued["topup"]))["state"] == "paid"
    refund = ("refund-payment", *ACME, "--topup", queued["topup"], "--usd-cents", "300", "--receipt", "1")
    assert [await outcome(ledger, *refund), await outcome(ledger, *refund)] == ["queued", "known"]
    await harness.work()
    await harness.work_after(2)
    assert (await do(ledger, "show-topup", "--topup", queued["topup"]))["reversed"] == 30


async def test_plans_meters_and_automatic_topups_are_set(harness: Any) -> None:
    ledger = harness.ledger
    assert await outcome(ledger, "subscribe", *ACME, "--price", "price_growth", "--receipt", "1") == "queued"
    await harness.work()
    await harness.work_after(3)
    assert await ledger.read_balance() == (1000, 0)
    for verb in (("meter", *ACME), ("meter", *ACME, "--off"), ("auto-topup", *MONEY, "500", "--below", "100")):
        assert await outcome(ledger, *verb) == "set"
    row = "SELECT metered_since IS NULL, topup_below, topup_credits FROM customers"
    assert tuple(await ledger.pool.fetchrow(row)) == (True, 100, 500)
    assert await outcome(ledger, "no-auto-topup", *ACME) == "set"
    assert tuple(await ledger.pool.fetchrow(row)) == (True, None, None)
    invoice = (await harness.sandbox.objects("invoice"))[0]["id"]
    assert (
        await outcome(ledger, "credit-note", *ACME, "--invoice", invoice, "--usd-cents", "99999", "--receipt", "1")
        == "queued"
    )
    await harness.work()
    stuck = (await do(ledger, "stuck"))["work"]
    assert [(one["work_id"], one["state"]) for one in stuck] == [("credit-note:1", "failed")]
    assert await outcome(ledger, "again", "--work", "credit-note:1") == "queued"
    assert await outcome(ledger, "again", "--work", "credit-note:1") == "missing"


@pytest.mark.parametrize("bad", ["refused", "denied", "missing", "suspended"])
def test_what_the_books_refuse_is_no_success(bad: str) -> None:
    assert bad not in _GOOD
