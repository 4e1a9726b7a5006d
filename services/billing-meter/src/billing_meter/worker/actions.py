"""What each kind of work with Stripe asks of it, outside any transaction, and what then goes into the books."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from closet_messaging.transaction import Begin, Tx

from billing_meter.adapters.stripe import DUPLICATE_USAGE, Stripe
from billing_meter.handlers.stripe import Terms, take_fact, take_payment
from billing_meter.ports import Fact, Purchase, Refused, Unavailable, Usage
from billing_meter.store import customers, topups
from billing_meter.store.topups import Topup
from billing_meter.store.work import Work

Record = Callable[[Tx], Awaitable[None]]
"""Writes what was found; in one transaction with the work's end."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every action needs."""

    begin: Begin
    stripe: Stripe
    terms: Terms
    return_url: str


async def look_into_event(desk: Desk, work: Work) -> Record:
    """Look up what the event is about, as it stands now: a late or repeated event finds the same."""
    facts = await _facts(desk.stripe, work)

    async def record(tx: Tx) -> None:
        for fact in facts:
            await take_fact(desk.terms, tx, fact, work.claimed_at)

    return record


async def open_checkout(desk: Desk, work: Work) -> Record:
    """Make the page where a top-up can be paid."""
    purchase = await _purchase(desk, work)
    page = await desk.stripe.open_checkout(purchase, desk.return_url)
    return lambda tx: topups.put_url(tx.conn, purchase.topup_id, page.url)


async def pay_automatically(desk: Desk, work: Work) -> Record:
    """Charge an automatic top-up to the method that the tenant paid with before."""
    purchase = await _purchase(desk, work)
    async with desk.begin() as tx:
        customer = await customers.of_customer(tx.conn, purchase.customer_id)
    if customer is None or customer.payment_method_id is None:
        raise Refused("no_payment_method", "no card is known")
    payment = await desk.stripe.pay_off_session(purchase, customer.payment_method_id)
    if payment.status == "processing":
        # A repetition would hear the same: how it stands now is another question.
        payment = await desk.stripe.payment(payment.payment_id)
    if payment.status == "processing":
        raise Unavailable("the payment is under way")
    if payment.status != "succeeded":
        raise Refused(payment.status, "the payer has to do something")
    return lambda tx: take_payment(tx, purchase.topup_id, payment.payment_id)


async def remember_method(desk: Desk, work: Work) -> Record:
    """Keep the method that a top-up was paid with, for automatic ones."""
    topup = await _topup(desk, work.body["topup"])
    method_id = (await desk.stripe.payment(topup.payment_id or "")).method_id

    async def record(tx: Tx) -> None:
        if method_id:
            await customers.put_method(tx.conn, topup.tenant_id, method_id)

    return record


async def subscribe(desk: Desk, work: Work) -> Record:
    """Subscribe the tenant to a price."""
    customer_id = await _customer_id(desk, work)
    made = await desk.stripe.create_subscription(work.key, customer_id, work.body["price"])
    return lambda tx: customers.put_subscription(tx.conn, made, desk.terms.grace)


async def refund_payment(desk: Desk, work: Work) -> Record:
    """Give money of a top-up back. The credits go when Stripe tells of it, as with any other refund."""
    topup = await _topup(desk, work.body["topup"])
    if topup.payment_id is None:
        raise Refused("not_paid", "the top-up has not been paid")
    await desk.stripe.refund(work.key, topup.payment_id, work.body["usd_cents"])
    return _nothing


async def write_credit_note(desk: Desk, work: Work) -> Record:
    """Correct a subscription's invoice."""
    await desk.stripe.credit_note(work.key, work.body["invoice"], work.body["usd_cents"])
    return _nothing


async def tell_usage(desk: Desk, work: Work) -> Record:
    """Tell the meter. What it knows already was told before, and the answer lost."""
    customer_id = await _customer_id(desk, work)
    try:
        await desk.stripe.send_usage(work.key, Usage(work.work_id, customer_id, work.body["credits"], work.at))
    except Refused as refused:
        if refused.code != DUPLICATE_USAGE or work.generation:
            raise
    return _nothing


ACTIONS: Mapping[str, Callable[[Desk, Work], Awaitable[Record]]] = {
    "event": look_into_event,
    "checkout": open_checkout,
    "payment": pay_automatically,
    "method": remember_method,
    "subscription": subscribe,
    "refund": refund_payment,
    "credit_note": write_credit_note,
    "usage": tell_usage,
}


async def _facts(stripe: Stripe, work: Work) -> list[Fact]:
    about, kind = work.body["object"], work.body["type"]
    if kind.startswith("customer.subscription."):
        return [await stripe.subscription(about)]
    if kind.startswith("invoice."):
        invoice = await stripe.invoice(about)
        # How the payment went decides how the subscription stands, which is to be known first: it names the plan.
        return [await stripe.subscription(invoice.subscription_id), invoice] if invoice.subscription_id else [invoice]
    found = await _lookup(kind)(stripe, work.work_id if kind.startswith("v1.") else about)
    return [found] if found else []


def _lookup(kind: str) -> "Lookup":
    """How to look into an event of that type."""
    if kind.startswith("charge.dispute."):
        return Stripe.money_back_of_dispute
    return _LOOKUPS.get(kind, Stripe.money_back_of_refund)


Lookup = Callable[[Stripe, str], Awaitable[Fact | None]]

_LOOKUPS: Mapping[str, Lookup] = {
    "checkout.session.completed": Stripe.checkout,
    "checkout.session.async_payment_succeeded": Stripe.checkout,
    "charge.refunded": Stripe.money_back,
    "v1.billing.meter.error_report_triggered": Stripe.usage_errors,
}


async def _purchase(desk: Desk, work: Work) -> Purchase:
    topup = await _topup(desk, work.work_id)
    return Purchase(work.key, topup.topup_id, await _customer_id(desk, work), topup.usd_cents)


async def _topup(desk: Desk, topup_id: str) -> Topup:
    async with desk.begin() as tx:
        topup = await topups.read(tx.conn, topup_id)
    if topup is None:
        raise Refused("no_such_topup", topup_id)
    return topup


async def _customer_id(desk: Desk, work: Work) -> str:
    """The tenant's customer at Stripe, made if need be: by its key there is one, however often that is tried."""
    if work.tenant_id is None:
        raise Refused("no_tenant", "nobody to do it for")
    async with desk.begin() as tx:
        customer = await customers.of_tenant(tx.conn, work.tenant_id)
    if customer is not None and customer.customer_id is not None:
        return customer.customer_id
    customer_id = await desk.stripe.create_customer(work.tenant_id)
    async with desk.begin() as tx:
        await customers.put_customer(tx.conn, work.tenant_id, customer_id)
    return customer_id


async def _nothing(_tx: Tx) -> None:
    """Stripe knows; there is nothing to write but that."""
