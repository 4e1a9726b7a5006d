"""Top-ups, subscriptions, dunning and metered usage, against Stripe's sandbox at its worst."""

from datetime import timedelta
from typing import Any

import pytest
from billing_meter.domain.movements import device_wallet
from billing_meter.handlers.stripe import open_topup
from billing_meter.ports import Refused
from billing_meter.rpc import read_subscription
from billing_meter.store import customers, work
from billing_meter.store.work import NewWork
from closet_contracts.credit import CreditDenied, Plan
from closet_contracts.rpc import ReadSubscription
from closet_devstack.testing import eventually

PLANS = {"price_growth": Plan(name="growth", credits=1000)}


async def order(harness: Any, work_id: str, kind: str, **body: Any) -> None:
    async def add(tx: Any) -> None:
        await work.add(tx.conn, NewWork(work_id, kind, "acme", body))

    await harness.begin(add)


async def bought(harness: Any, credits: int = 500, wallet: str = "tenant:acme") -> Any:
    """A top-up that was paid for on Stripe's page."""
    topup = await harness.begin(open_topup, "acme", wallet, credits)
    await harness.work()
    page = (await harness.sandbox.objects("checkout.session"))[-1]
    assert (page["client_reference_id"], page["amount_total"]) == (topup.topup_id, credits * 10)
    await harness.sandbox.pay(page["id"])
    count = len([one for one in await harness.sandbox.objects("checkout.session") if one["payment_status"] == "paid"])
    await harness.work_after(count)
    return topup


async def test_a_checkout_fills_the_wallet_it_was_made_for(harness: Any) -> None:
    await bought(harness, 500, device_wallet("k1"))
    row = await harness.ledger.pool.fetchrow("SELECT balance FROM balances WHERE account_id = 'device:k1'")
    assert row["balance"] == 500
    assert await harness.ledger.read_balance() == (0, 0)


@pytest.mark.parametrize("trouble", ["rate_limited", "server_error", "no_answer", "lost_answer"])
async def test_trouble_on_the_way_makes_no_second_payment(harness: Any, trouble: str) -> None:
    for path in ("/v1/customers", "/v1/checkout", "/v1/payment_intents"):
        await harness.sandbox.fault(trouble, path)
    await bought(harness, 50)
    await harness.begin(automatic, 100, 60)
    await harness.sandbox.fault(trouble, "/v1/payment_intents")
    await harness.work()
    await harness.work()
    assert await harness.ledger.read_balance() == (110, 0)
    found = (await harness.sandbox.stats())["objects"]
    assert (found["customer"], found["checkout.session"], found["payment_intent"]) == (1, 1, 2)


async def automatic(tx: Any, below: int, credits: int) -> None:
    await customers.set_automatic_topup(tx.conn, "acme", below, credits)


async def test_a_low_balance_is_topped_up_by_itself(harness: Any, new_job: Any) -> None:
    await bought(harness, 102)
    await harness.begin(automatic, 100, 200)
    await harness.work()
    assert await harness.ledger.read_balance() == (102, 0)
    await harness.ledger.handle(new_job().accepted())
    await harness.work()
    await harness.work()
    assert await harness.ledger.read_balance() == (302, 5)


async def test_a_declined_card_is_not_tried_again_at_once(harness: Any) -> None:
    await bought(harness, 50)
    await harness.sandbox.fault("card_declined", "/v1/payment_intents", times=5)
    await harness.begin(automatic, 100, 200)
    for _ in range(3):
        await harness.work()
    assert await harness.ledger.read_balance() == (50, 0)
    rows = await harness.ledger.pool.fetch("SELECT state FROM topups WHERE automatic")
    assert [row["state"] for row in rows] == ["failed"]


async def subscribed(harness: Any) -> str:
    await order(harness, "sub-acme", "subscription", price="price_growth")
    await harness.work()
    await harness.work_after(3)
    return str((await harness.sandbox.objects("subscription"))[0]["id"])


async def test_each_paid_period_brings_the_plans_credits_once(harness: Any) -> None:
    await harness.sandbox.change(repeat_webhooks=1)
    subscription = await subscribed(harness)
    assert await harness.ledger.read_balance() == (1000, 0)
    await harness.sandbox.bill(subscription, paid=True)
    await harness.work_after(5)
    assert await harness.ledger.read_balance() == (2000, 0)
    state = await read_subscription(PLANS, harness.ledger.pool, ReadSubscription(tenant_id="acme"))
    assert (state.status, state.plan, state.dunning) == ("active", PLANS["price_growth"], "current")


async def test_an_overdue_tenant_works_on_for_a_week_and_no_longer(harness: Any, new_job: Any) -> None:
    subscription = await subscribed(harness)
    await harness.sandbox.bill(subscription, paid=False)
    await harness.work_after(5)
    during, after, again = new_job(), new_job(), new_job()
    await harness.ledger.handle(during.accepted())
    assert harness.ledger.events_of(during) == ["held"]
    state = await read_subscription(PLANS, harness.ledger.pool, ReadSubscription(tenant_id="acme"))
    assert (state.status, state.dunning) == ("past_due", "overdue")
    await harness.ledger.pool.execute("UPDATE balances SET suspended_from = suspended_from - interval '7 days'")
    await harness.ledger.handle(after.accepted(), during.completed())
    (denied,) = [event.data for event in harness.ledger.emitted if isinstance(event.data, CreditDenied)]
    assert (denied.job_id, denied.code, denied.available) == (after.job_id, "payment_overdue", 995)
    assert harness.ledger.events_of(during) == ["held", "captured"]
    await harness.sandbox.bill(subscription, paid=True)
    await harness.work_after(8)
    await harness.ledger.handle(again.accepted())
    assert harness.ledger.events_of(again) == ["held"]


async def test_the_end_of_an_old_subscription_does_not_end_the_new_one(harness: Any) -> None:
    first = await subscribed(harness)
    await order(harness, "sub-acme-2", "subscription", price="price_growth")
    await harness.work()
    await harness.work_after(6)
    await harness.sandbox.set_status(first, "canceled")
    await harness.work_after(7)
    row = await harness.ledger.pool.fetchrow("SELECT status, subscription_id FROM customers")
    assert (row["status"], row["subscription_id"] == first) == ("active", False)


async def test_a_refund_takes_the_credits_when_stripe_tells_of_it(harness: Any) -> None:
    topup = await bought(harness, 500)
    await order(harness, "refund-1", "refund", topup=topup.topup_id, usd_cents=1000)
    await harness.work()
    await harness.work_after(2)
    assert await harness.ledger.read_balance() == (400, 0)


async def test_an_invoice_is_corrected_by_a_credit_note(harness: Any) -> None:
    await subscribed(harness)
    invoice = (await harness.sandbox.objects("invoice"))[0]["id"]
    await order(harness, "note-1", "credit_note", invoice=invoice, usd_cents=500)
    await harness.work()
    (note,) = await harness.sandbox.objects("credit_note")
    assert (note["invoice"], note["amount"]) == (invoice, 500)


async def test_the_same_key_with_another_body_is_refused(harness: Any) -> None:
    await bought(harness, 500)
    payment = (await harness.sandbox.objects("payment_intent"))[0]["id"]
    first = await harness.stripe.refund("key-1", payment, 100)
    assert await harness.stripe.refund("key-1", payment, 100) == first
    with pytest.raises(Refused):
        await harness.stripe.refund("key-1", payment, 200)


async def used(harness: Any, new_job: Any, count: int) -> list[Any]:
    async def meter(tx: Any) -> None:
        await customers.set_metered(tx.conn, "acme", on=True)

    await harness.begin(meter)
    await harness.ledger.grant(count * 5)
    jobs = [new_job() for _ in range(count)]
    for job in jobs:
        await harness.ledger.handle(job.accepted(), job.completed(), job.completed())
    return jobs


@pytest.mark.parametrize("trouble", ["rate_limited", "server_error", "no_answer", "lost_answer"])
async def test_each_capture_is_metered_once_whatever_happens(harness: Any, new_job: Any, trouble: str) -> None:
    await harness.sandbox.fault(trouble, "/v1/billing/meter_events", times=4)
    await used(harness, new_job, 20)
    await harness.work()
    stats = await harness.sandbox.stats()
    assert (stats["usage"], stats["credits"]) == (20, 100)
    assert await harness.ledger.pool.fetchval("SELECT count(*) FROM stripe_work WHERE state = 'done'") == 20


async def test_those_who_are_not_metered_are_not(harness: Any, new_job: Any) -> None:
    await harness.ledger.grant(200, "zara")
    job = new_job(tenant="zara")
    await harness.ledger.handle(job.accepted(), job.completed())
    assert await harness.ledger.pool.fetchval("SELECT count(*) FROM stripe_work") == 0


async def test_usage_that_stripe_could_not_use_is_told_again_later(harness: Any, new_job: Any) -> None:
    async def stranger(tx: Any) -> None:
        await customers.put_customer(tx.conn, "acme", "cus_unknown")

    await harness.begin(stranger)
    (job,) = await used(harness, new_job, 1)
    await harness.step()
    row = """SELECT state, error, generation, due_at > now() + interval '50 minutes' AS later FROM stripe_work
        WHERE work_id = $1"""

    async def rejected() -> bool:
        await harness.step()
        found = await harness.ledger.pool.fetchrow(row, job.job_id)
        return tuple(found) == ("due", "meter_event_customer_not_found", 1, True)

    await eventually(rejected)
    customer = await harness.stripe.create_customer("acme")
    await harness.begin(lambda tx: customers.put_customer(tx.conn, "acme", customer))
    await harness.ledger.pool.execute("UPDATE stripe_work SET due_at = now() WHERE kind = 'usage'")
    await harness.work()
    assert (await harness.sandbox.stats())["credits"] == 5


async def test_usage_that_is_too_old_fails_and_shows(harness: Any, new_job: Any) -> None:
    (job,) = await used(harness, new_job, 1)
    await harness.ledger.pool.execute("UPDATE stripe_work SET at = now() - interval '36 days'")
    await harness.work()
    async with harness.ledger.pool.acquire() as conn:
        (stuck,) = await work.stuck(conn, 10)
    assert (stuck["work_id"], stuck["error"]) == (job.job_id, "timestamp_too_far_in_past")


async def test_what_stripe_would_not_recognise_any_more_is_left_to_a_person(harness: Any, new_job: Any) -> None:
    await used(harness, new_job, 1)
    await harness.sandbox.fault("lost_answer", "/v1/billing/meter_events")
    await harness.ledger.pool.execute(
        "UPDATE stripe_work SET first_tried_at = now() - $1::interval", timedelta(hours=23)
    )
    await harness.work()
    assert await harness.ledger.pool.fetchval("SELECT state FROM stripe_work") == "doubtful"
    assert (await harness.sandbox.stats())["usage"] == 1
