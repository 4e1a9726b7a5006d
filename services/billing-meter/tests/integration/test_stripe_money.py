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


async def order(office: Any, work_id: str, kind: str, **body: Any) -> None:
    async def add(tx: Any) -> None:
        await work.add(tx.conn, NewWork(work_id, kind, "acme", body))

    await office.begin(add)


async def bought(office: Any, credits: int = 500, wallet: str = "tenant:acme") -> Any:
    """A top-up that was paid for on Stripe's page."""
    topup = await office.begin(open_topup, "acme", wallet, credits)
    await office.work()
    page = (await office.sandbox.objects("checkout.session"))[-1]
    assert (page["client_reference_id"], page["amount_total"]) == (topup.topup_id, credits * 10)
    await office.sandbox.pay(page["id"])
    count = len([one for one in await office.sandbox.objects("checkout.session") if one["payment_status"] == "paid"])
    await office.heard(count)
    return topup


async def test_a_checkout_fills_the_wallet_it_was_made_for(office: Any) -> None:
    await bought(office, 500, device_wallet("k1"))
    row = await office.counter.pool.fetchrow("SELECT balance FROM balances WHERE account_id = 'device:k1'")
    assert row["balance"] == 500
    assert await office.counter.stands() == (0, 0)


@pytest.mark.parametrize("trouble", ["rate_limited", "server_error", "no_answer", "lost_answer"])
async def test_trouble_on_the_way_makes_no_second_payment(office: Any, trouble: str) -> None:
    for path in ("/v1/customers", "/v1/checkout", "/v1/payment_intents"):
        await office.sandbox.fault(trouble, path)
    await bought(office, 50)
    await office.begin(automatic, 100, 60)
    await office.sandbox.fault(trouble, "/v1/payment_intents")
    await office.work()
    await office.work()
    assert await office.counter.stands() == (110, 0)
    found = (await office.sandbox.stats())["objects"]
    assert (found["customer"], found["checkout.session"], found["payment_intent"]) == (1, 1, 2)


async def automatic(tx: Any, below: int, credits: int) -> None:
    await customers.set_automatic_topup(tx.conn, "acme", below, credits)


async def test_a_low_balance_is_topped_up_by_itself(office: Any, new_job: Any) -> None:
    await bought(office, 102)
    await office.begin(automatic, 100, 200)
    await office.work()
    assert await office.counter.stands() == (102, 0)
    await office.counter.take(new_job().accepted())
    await office.work()
    await office.work()
    assert await office.counter.stands() == (302, 5)


async def test_a_declined_card_is_not_tried_again_at_once(office: Any) -> None:
    await bought(office, 50)
    await office.sandbox.fault("card_declined", "/v1/payment_intents", times=5)
    await office.begin(automatic, 100, 200)
    for _ in range(3):
        await office.work()
    assert await office.counter.stands() == (50, 0)
    rows = await office.counter.pool.fetch("SELECT state FROM topups WHERE automatic")
    assert [row["state"] for row in rows] == ["failed"]


async def subscribed(office: Any) -> str:
    await order(office, "sub-acme", "subscription", price="price_growth")
    await office.work()
    await office.heard(3)
    return str((await office.sandbox.objects("subscription"))[0]["id"])


async def test_each_paid_period_brings_the_plans_credits_once(office: Any) -> None:
    await office.sandbox.change(repeat_webhooks=1)
    subscription = await subscribed(office)
    assert await office.counter.stands() == (1000, 0)
    await office.sandbox.bill(subscription, paid=True)
    await office.heard(5)
    assert await office.counter.stands() == (2000, 0)
    state = await read_subscription(PLANS, office.counter.pool, ReadSubscription(tenant_id="acme"))
    assert (state.status, state.plan, state.dunning) == ("active", PLANS["price_growth"], "current")


async def test_an_overdue_tenant_works_on_for_a_week_and_no_longer(office: Any, new_job: Any) -> None:
    subscription = await subscribed(office)
    await office.sandbox.bill(subscription, paid=False)
    await office.heard(5)
    during, after, again = new_job(), new_job(), new_job()
    await office.counter.take(during.accepted())
    assert office.counter.said(during) == ["held"]
    state = await read_subscription(PLANS, office.counter.pool, ReadSubscription(tenant_id="acme"))
    assert (state.status, state.dunning) == ("past_due", "overdue")
    await office.counter.pool.execute("UPDATE balances SET suspended_from = suspended_from - interval '7 days'")
    await office.counter.take(after.accepted(), during.completed())
    (denied,) = [event.data for event in office.counter.told if isinstance(event.data, CreditDenied)]
    assert (denied.job_id, denied.code, denied.available) == (after.job_id, "payment_overdue", 995)
    assert office.counter.said(during) == ["held", "captured"]
    await office.sandbox.bill(subscription, paid=True)
    await office.heard(8)
    await office.counter.take(again.accepted())
    assert office.counter.said(again) == ["held"]


async def test_the_end_of_an_old_subscription_does_not_end_the_new_one(office: Any) -> None:
    first = await subscribed(office)
    await order(office, "sub-acme-2", "subscription", price="price_growth")
    await office.work()
    await office.heard(6)
    await office.sandbox.set_status(first, "canceled")
    await office.heard(7)
    row = await office.counter.pool.fetchrow("SELECT status, subscription_id FROM customers")
    assert (row["status"], row["subscription_id"] == first) == ("active", False)


async def test_a_refund_takes_the_credits_when_stripe_tells_of_it(office: Any) -> None:
    topup = await bought(office, 500)
    await order(office, "refund-1", "refund", topup=topup.topup_id, usd_cents=1000)
    await office.work()
    await office.heard(2)
    assert await office.counter.stands() == (400, 0)


async def test_an_invoice_is_corrected_by_a_credit_note(office: Any) -> None:
    await subscribed(office)
    invoice = (await office.sandbox.objects("invoice"))[0]["id"]
    await order(office, "note-1", "credit_note", invoice=invoice, usd_cents=500)
    await office.work()
    (note,) = await office.sandbox.objects("credit_note")
    assert (note["invoice"], note["amount"]) == (invoice, 500)


async def test_the_same_key_with_another_body_is_refused(office: Any) -> None:
    await bought(office, 500)
    payment = (await office.sandbox.objects("payment_intent"))[0]["id"]
    first = await office.stripe.refund("key-1", payment, 100)
    assert await office.stripe.refund("key-1", payment, 100) == first
    with pytest.raises(Refused):
        await office.stripe.refund("key-1", payment, 200)


async def used(office: Any, new_job: Any, count: int) -> list[Any]:
    async def meter(tx: Any) -> None:
        await customers.set_metered(tx.conn, "acme", on=True)

    await office.begin(meter)
    await office.counter.grant(count * 5)
    jobs = [new_job() for _ in range(count)]
    for job in jobs:
        await office.counter.take(job.accepted(), job.completed(), job.completed())
    return jobs


@pytest.mark.parametrize("trouble", ["rate_limited", "server_error", "no_answer", "lost_answer"])
async def test_each_capture_is_metered_once_whatever_happens(office: Any, new_job: Any, trouble: str) -> None:
    await office.sandbox.fault(trouble, "/v1/billing/meter_events", times=4)
    await used(office, new_job, 20)
    await office.work()
    stats = await office.sandbox.stats()
    assert (stats["usage"], stats["credits"]) == (20, 100)
    assert await office.counter.pool.fetchval("SELECT count(*) FROM stripe_work WHERE state = 'done'") == 20


async def test_those_who_are_not_metered_are_not(office: Any, new_job: Any) -> None:
    await office.counter.grant(200, "zara")
    job = new_job(tenant="zara")
    await office.counter.take(job.accepted(), job.completed())
    assert await office.counter.pool.fetchval("SELECT count(*) FROM stripe_work") == 0


async def test_usage_that_stripe_could_not_use_is_told_again_later(office: Any, new_job: Any) -> None:
    async def stranger(tx: Any) -> None:
        await customers.put_customer(tx.conn, "acme", "cus_unknown")

    await office.begin(stranger)
    (job,) = await used(office, new_job, 1)
    await office.clerk.step()
    row = """SELECT state, error, generation, due_at > now() + interval '50 minutes' AS later FROM stripe_work
        WHERE work_id = $1"""

    async def rejected() -> bool:
        await office.clerk.step()
        found = await office.counter.pool.fetchrow(row, job.job_id)
        return tuple(found) == ("due", "meter_event_customer_not_found", 1, True)

    await eventually(rejected)
    customer = await office.stripe.create_customer("acme")
    await office.begin(lambda tx: customers.put_customer(tx.conn, "acme", customer))
    await office.counter.pool.execute("UPDATE stripe_work SET due_at = now() WHERE kind = 'usage'")
    await office.work()
    assert (await office.sandbox.stats())["credits"] == 5


async def test_usage_that_is_too_old_fails_and_shows(office: Any, new_job: Any) -> None:
    (job,) = await used(office, new_job, 1)
    await office.counter.pool.execute("UPDATE stripe_work SET at = now() - interval '36 days'")
    await office.work()
    async with office.counter.pool.acquire() as conn:
        (stuck,) = await work.stuck(conn, 10)
    assert (stuck["work_id"], stuck["error"]) == (job.job_id, "timestamp_too_far_in_past")


async def test_what_stripe_would_not_recognise_any_more_is_left_to_a_person(office: Any, new_job: Any) -> None:
    await used(office, new_job, 1)
    await office.sandbox.fault("lost_answer", "/v1/billing/meter_events")
    await office.counter.pool.execute(
        "UPDATE stripe_work SET first_tried_at = now() - $1::interval", timedelta(hours=23)
    )
    await office.work()
    assert await office.counter.pool.fetchval("SELECT state FROM stripe_work") == "doubtful"
    assert (await office.sandbox.stats())["usage"] == 1
