"""What is found at Stripe, and what it does to the books. Found again, in any order, it does nothing more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

import structlog
from closet_contracts.credit import Plan
from closet_contracts.ids import new_id
from closet_messaging.transaction import Tx

from billing_meter.domain.movements import Receipt, Reversal, wallet_of
from billing_meter.domain.stripe import (
    REPEAT_REJECTED_AFTER,
    Subscription,
    credits_back,
    is_worth_repeating,
)
from billing_meter.handlers.receipts import receive_credits, reinstate_credits, reverse_credits
from billing_meter.ports import Checkout, Fact, Invoice, MoneyBack, StripeEvent, UsageErrors
from billing_meter.store import customers, topups, work
from billing_meter.store.prices import book_in_force
from billing_meter.store.topups import Topup
from billing_meter.store.work import NewWork

log = structlog.get_logger(__name__)

_PERIODS = frozenset({"subscription_create", "subscription_cycle"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What a subscription gives, by its price at Stripe, and how long one may be overdue."""

    plans: Mapping[str, Plan]
    grace: timedelta


EVENT_TYPES = frozenset(
    {
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.payment_failed",
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "charge.refunded",
        "charge.refund.updated",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "v1.billing.meter.error_report_triggered",
    }
)
"""The events that are looked into; others are kept and left alone."""


async def keep_event(tx: Tx, event: StripeEvent) -> bool:
    """Keep an event to be looked into; False if it is known."""
    state = "due" if event.type in EVENT_TYPES and event.object_id else "ignored"
    body = {"type": event.type, "object": event.object_id, "event": event.content}
    return await work.add(tx.conn, NewWork(event.event_id, "event", None, body, state))


async def take_fact(terms: Terms, tx: Tx, fact: Fact, asked_at: datetime) -> None:
    """Bring the books up to what was found, by a question that was begun at `asked_at`."""
    match fact:
        case Subscription():
            await customers.put_subscription(tx.conn, fact, terms.grace)
        case Invoice():
            await _take_invoice(terms, tx, fact)
        case Checkout():
            await _take_checkout(tx, fact)
        case MoneyBack():
            await _take_money_back(tx, fact, asked_at)
        case UsageErrors():
            await _take_usage_errors(tx, fact)
        case _:
            assert_never(fact)


async def open_topup(tx: Tx, tenant: str, wallet: str, credits: int, *, automatic: bool = False) -> Topup | None:
    """Begin a purchase; None if an automatic one is under way for the wallet."""
    book, _ = await book_in_force(tx.conn)
    topup = Topup(new_id("top"), tenant, wallet, credits, credits * book.usd_cents_per_credit, automatic)
    if not await topups.open_topup(tx.conn, topup):
        return None
    await work.add(tx.conn, NewWork(topup.topup_id, "payment" if automatic else "checkout", tenant, {}))
    return topup


async def take_payment(tx: Tx, topup_id: str, payment_id: str) -> None:
    """A top-up is paid: its credits come in."""
    topup = await topups.read(tx.conn, topup_id)
    if topup is None:
        log.error("payment_for_no_topup", topup_id=topup_id, payment_id=payment_id)
        return
    receipt = Receipt("topup", f"topup:{topup_id}", topup.tenant_id, topup.wallet, topup.credits, "stripe", payment_id)
    await receive_credits(tx, receipt)
    await topups.settle(tx.conn, topup_id, "paid", payment_id)


async def _take_checkout(tx: Tx, found: Checkout) -> None:
    if found.is_paid and found.topup_id and found.payment_id:
        await take_payment(tx, found.topup_id, found.payment_id)
        # Whose payment it was tells with what: the card can be used again.
        await work.add(tx.conn, NewWork(f"method-{found.topup_id}", "method", None, {"topup": found.topup_id}))


async def _take_invoice(terms: Terms, tx: Tx, found: Invoice) -> None:
    customer = await customers.of_customer(tx.conn, found.customer_id)
    if found.status != "paid" or found.reason not in _PERIODS:
        return
    if customer is None or customer.price_id is None:
        log.error("invoice_of_no_tenant", invoice_id=found.invoice_id, customer_id=found.customer_id)
        return
    plan = terms.plans.get(customer.price_id)
    if plan is None:
        log.error("subscription_to_no_plan", tenant_id=customer.tenant_id, price_id=customer.price_id)
        return
    tenant = customer.tenant_id
    cause = f"invoice:{found.invoice_id}"
    await receive_credits(
        tx, Receipt("subscription", cause, tenant, wallet_of(tenant), plan.credits, "stripe", plan.name)
    )


async def _take_money_back(tx: Tx, found: MoneyBack, asked_at: datetime) -> None:
    if found.topup_id is None or found.payment_id is None:
        log.warning("money_back_of_no_topup", charge_id=found.charge_id, payment_id=found.payment_id)
        return
    # What goes back came in before, also where we have not heard of it yet.
    await take_payment(tx, found.topup_id, found.payment_id)
    topup = await topups.read(tx.conn, found.topup_id)
    if topup is None or (topup.money_seen_at and asked_at < topup.money_seen_at):
        return  # what was asked later has been taken already
    gone, taken = credits_back(topup.credits, found.amount, found.back), topup.taken
    cause = f"money-back:{topup.topup_id}:{topup.reversals + 1}"
    if gone > topup.reversed:
        reversal = Reversal(cause, topup.tenant_id, topup.wallet, gone - topup.reversed, "money back")
        taken += (await reverse_credits(tx, reversal)).credits
    elif taken > gone:
        await reinstate_credits(
            tx, Reversal(cause, topup.tenant_id, topup.wallet, taken - gone, "money came to us again")
        )
        taken = gone
    await topups.note_reversed(tx.conn, topup, gone, taken, asked_at)


async def _take_usage_errors(tx: Tx, found: UsageErrors) -> None:
    now = datetime.now(UTC)
    for error in found.errors:
        usage_id = error.usage_id.partition(".")[0]
        used_at = await work.used_at(tx.conn, usage_id)
        if used_at is None:
            log.error("usage_error_of_no_usage", usage_id=error.usage_id, code=error.code)
            continue
        repeat_at = now + REPEAT_REJECTED_AFTER if is_worth_repeating(error.code, used_at, now) else None
        log.error("usage_rejected", usage_id=usage_id, code=error.code, repeat_at=repeat_at)
        await work.reject_usage(tx.conn, usage_id, error.code, repeat_at)
