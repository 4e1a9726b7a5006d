"""What each kind of work item asks of Stripe, outside any transaction, and what is then recorded."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from closet_messaging.transaction import Begin, Tx

from billing_meter.adapters.stripe import DUPLICATE_USAGE, Stripe
from billing_meter.domain.stripe import SUBJECT_OF_EVENT, EventSubject, WorkKind
from billing_meter.domain.stripe_objects import (
    PaymentState,
    Purchase,
    StripeObject,
    StripeRefused,
    StripeUnavailable,
    Usage,
)
from billing_meter.handlers.stripe import SubscriptionTerms, apply_payment, apply_stripe_object
from billing_meter.store import customers, topups
from billing_meter.store.stripe_work import WorkItem
from billing_meter.store.topups import Topup

Record = Callable[[Tx], Awaitable[None]]
"""Writes what was found, in one transaction with the end of the work item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeContext:
    """What every action needs."""

    begin: Begin
    stripe: Stripe
    terms: SubscriptionTerms
    return_url: str


async def perform(context: StripeContext, item: WorkItem) -> Record:
    """Do what the item asks for; return what is to be written with its end.

    Raises:
        StripeRefused: it cannot be done, ever.
        StripeUnavailable: it cannot be done now.
    """
    match item.kind:
        case WorkKind.EVENT:
            action = look_into_event
        case WorkKind.CHECKOUT:
            action = open_checkout
        case WorkKind.PAYMENT:
            action = pay_automatically
        case WorkKind.METHOD:
            action = remember_method
        case WorkKind.SUBSCRIPTION:
            action = subscribe
        case WorkKind.REFUND:
            action = refund_payment
        case WorkKind.CREDIT_NOTE:
            action = write_credit_note
        case WorkKind.USAGE:
            action = send_usage
        case _:
            assert_never(item.kind)
    return await action(context, item)


async def look_into_event(context: StripeContext, item: WorkItem) -> Record:
    """Look up what the event is about, as it stands now: a late or repeated event finds the same."""
    found = await _look_up(context.stripe, item)

    async def record(tx: Tx) -> None:
        for one in found:
            await apply_stripe_object(context.terms, tx, one, item.claimed_at)

    return record


async def open_checkout(context: StripeContext, item: WorkItem) -> Record:
    """Create the page where a top-up can be paid."""
    purchase = await _purchase(context, item)
    page = await context.stripe.open_checkout(purchase, context.return_url)
    return lambda tx: topups.put_url(tx.conn, purchase.topup_id, page.url)


async def pay_automatically(context: StripeContext, item: WorkItem) -> Record:
    """Charge an automatic top-up to the method that the tenant paid with before."""
    purchase = await _purchase(context, item)
    async with context.begin() as tx:
        customer = await customers.find_by_customer(tx.conn, purchase.customer_id)
    if customer is None or customer.payment_method_id is None:
        raise StripeRefused("no_payment_method", "no card is known")
    payment = await context.stripe.pay_off_session(purchase, customer.payment_method_id)
    if payment.state is PaymentState.PROCESSING:
        # A repetition is answered as the first call was: how the payment stands now takes another one.
        payment = await context.stripe.payment(payment.payment_id)
    match payment.state:
        case PaymentState.SUCCEEDED:
            return lambda tx: apply_payment(tx, purchase.topup_id, payment.payment_id)
        case PaymentState.PROCESSING:
            raise StripeUnavailable("the payment is under way")
        case PaymentState.INCOMPLETE:
            raise StripeRefused(payment.status, "the payer has to do something")
        case _:
            assert_never(payment.state)


async def remember_method(context: StripeContext, item: WorkItem) -> Record:
    """Keep the method that a top-up was paid with, for automatic ones."""
    topup = await _topup(context, item.body["topup"])
    method_id = (await context.stripe.payment(topup.payment_id or "")).method_id

    async def record(tx: Tx) -> None:
        if method_id:
            await customers.put_method(tx.conn, topup.tenant_id, method_id)

    return record


async def subscribe(context: StripeContext, item: WorkItem) -> Record:
    """Subscribe the tenant to a price."""
    customer_id = await _customer_id(context, item)
    made = await context.stripe.create_subscription(item.key, customer_id, item.body["price"])
    return lambda tx: customers.put_subscription(tx.conn, made, context.terms.grace)


async def refund_payment(context: StripeContext, item: WorkItem) -> Record:
    """Refund money of a top-up. Its credits go when the event of the refund comes, as with any other refund."""
    topup = await _topup(context, item.body["topup"])
    if topup.payment_id is None:
        raise StripeRefused("not_paid", "the top-up has not been paid")
    await context.stripe.refund(item.key, topup.payment_id, item.body["usd_cents"])
    return _nothing


async def write_credit_note(context: StripeContext, item: WorkItem) -> Record:
    """Correct a subscription's invoice."""
    await context.stripe.credit_note(item.key, item.body["invoice"], item.body["usd_cents"])
    return _nothing


async def send_usage(context: StripeContext, item: WorkItem) -> Record:
    """Send usage to the meter. Usage that it knows was sent before, and the answer lost."""
    customer_id = await _customer_id(context, item)
    try:
        await context.stripe.send_usage(item.key, Usage(item.work_id, customer_id, item.body["credits"], item.at))
    except StripeRefused as refused:
        if refused.code != DUPLICATE_USAGE or item.generation:
            raise
    return _nothing


async def _look_up(stripe: Stripe, item: WorkItem) -> list[StripeObject]:
    object_id, subject = item.body["object"], SUBJECT_OF_EVENT[item.body["type"]]
    found: StripeObject | None
    match subject:
        case EventSubject.SUBSCRIPTION:
            found = await stripe.subscription(object_id)
        case EventSubject.INVOICE:
            return await _look_up_invoice(stripe, object_id)
        case EventSubject.CHECKOUT:
            found = await stripe.checkout(object_id)
        case EventSubject.CHARGE:
            found = await stripe.refunded_charge(object_id)
        case EventSubject.REFUND:
            found = await stripe.charge_of_refund(object_id)
        case EventSubject.DISPUTE:
            found = await stripe.charge_of_dispute(object_id)
        case EventSubject.USAGE_ERRORS:
            found = await stripe.usage_errors(item.work_id)
        case _:
            assert_never(subject)
    return [found] if found else []


async def _look_up_invoice(stripe: Stripe, invoice_id: str) -> list[StripeObject]:
    invoice = await stripe.invoice(invoice_id)
    if invoice.subscription_id is None:
        return [invoice]
    # How the payment went decides how the subscription stands, which is applied first: it names the plan.
    return [await stripe.subscription(invoice.subscription_id), invoice]


async def _purchase(context: StripeContext, item: WorkItem) -> Purchase:
    topup = await _topup(context, item.work_id)
    return Purchase(item.key, topup.topup_id, await _customer_id(context, item), topup.usd_cents)


async def _topup(context: StripeContext, topup_id: str) -> Topup:
    async with context.begin() as tx:
        topup = await topups.read(tx.conn, topup_id)
    if topup is None:
        raise StripeRefused("no_such_topup", topup_id)
    return topup


async def _customer_id(context: StripeContext, item: WorkItem) -> str:
    """Return the tenant's customer at Stripe, created if need be: its key makes it one, however often it is tried."""
    if item.tenant_id is None:
        raise StripeRefused("no_tenant", "the work belongs to no tenant")
    async with context.begin() as tx:
        customer = await customers.find_by_tenant(tx.conn, item.tenant_id)
    if customer is not None and customer.customer_id is not None:
        return customer.customer_id
    customer_id = await context.stripe.create_customer(item.tenant_id)
    async with context.begin() as tx:
        await customers.put_customer(tx.conn, item.tenant_id, customer_id)
    return customer_id


async def _nothing(_tx: Tx) -> None:
    """Write nothing beside the end of the work item."""
