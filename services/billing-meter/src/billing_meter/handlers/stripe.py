"""Applies what was found at Stripe to the ledger. Applied again, in any order, it changes nothing more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

import structlog
from closet_contracts.credit import Plan
from closet_contracts.ids import new_id
from closet_messaging.transaction import Begin, Tx

from billing_meter.domain.movements import Receipt, ReceiptKind, Reversal, wallet_of
from billing_meter.domain.stripe import (
    REPEAT_REJECTED_AFTER,
    SUBJECT_OF_EVENT,
    Subscription,
    TopupState,
    WorkKind,
    WorkState,
    credits_returned,
    is_worth_repeating,
)
from billing_meter.domain.stripe_objects import (
    Checkout,
    Invoice,
    RefundedCharge,
    StripeEvent,
    StripeObject,
    UsageErrors,
)
from billing_meter.handlers.receipts import receive_credits, reinstate_credits, reverse_credits
from billing_meter.store import customers, stripe_work, topups
from billing_meter.store.prices import book_in_force
from billing_meter.store.stripe_work import NewWorkItem
from billing_meter.store.topups import Topup

log = structlog.get_logger(__name__)

_PERIODS = frozenset({"subscription_create", "subscription_cycle"})


@dataclass(frozen=True, slots=True)
class SubscriptionTerms:
    """What a subscription gives, by its price at Stripe, and how long one may be overdue."""

    plans: Mapping[str, Plan]
    grace: timedelta


async def store_event(tx: Tx, event: StripeEvent) -> bool:
    """Store an event to be looked into; return False if it is known."""
    is_due = event.type in SUBJECT_OF_EVENT and event.object_id
    body = {"type": event.type, "object": event.object_id, "event": event.content}
    state = WorkState.DUE if is_due else WorkState.IGNORED
    return await stripe_work.add(tx.conn, NewWorkItem(event.event_id, WorkKind.EVENT, None, body, state))


async def store_events(begin: Begin, on_new: Callable[[], None], events: Sequence[StripeEvent]) -> Sequence[bool]:
    """Store events in one transaction; return for each whether it is new. `on_new` is called if any is."""
    async with begin() as tx:
        are_new = [await store_event(tx, event) for event in events]
        if any(are_new):
            tx.after_commit(on_new)
    return are_new


async def apply_stripe_object(terms: SubscriptionTerms, tx: Tx, found: StripeObject, asked_at: datetime) -> None:
    """Bring the ledger up to what was found by a call that was begun at `asked_at`."""
    match found:
        case Subscription():
            await customers.put_subscription(tx.conn, found, terms.grace)
        case Invoice():
            await _apply_invoice(terms, tx, found)
        case Checkout():
            await _apply_checkout(tx, found)
        case RefundedCharge():
            await _apply_refunded_charge(tx, found, asked_at)
        case UsageErrors():
            await _apply_usage_errors(tx, found)
        case _:
            assert_never(found)


async def open_topup(tx: Tx, tenant: str, wallet: str, credits: int, *, automatic: bool = False) -> Topup | None:
    """Begin a purchase; return None if an automatic one is under way for the wallet."""
    book, _ = await book_in_force(tx.conn)
    topup = Topup(new_id("top"), tenant, wallet, credits, credits * book.usd_cents_per_credit, automatic)
    if not await topups.open_topup(tx.conn, topup):
        return None
    kind = WorkKind.PAYMENT if automatic else WorkKind.CHECKOUT
    await stripe_work.add(tx.conn, NewWorkItem(topup.topup_id, kind, tenant, {}))
    return topup


async def apply_payment(tx: Tx, topup_id: str, payment_id: str) -> None:
    """Book the credits of a top-up that is paid."""
    topup = await topups.read(tx.conn, topup_id)
    if topup is None:
        log.error("payment_without_topup", topup_id=topup_id, payment_id=payment_id)
        return
    cause = f"topup:{topup_id}"
    receipt = Receipt(
        ReceiptKind.TOPUP, cause, topup.tenant_id, topup.wallet, topup.credits, "stripe", reason=payment_id
    )
    await receive_credits(tx, receipt)
    await topups.settle(tx.conn, topup_id, TopupState.PAID, payment_id)


async def _apply_checkout(tx: Tx, found: Checkout) -> None:
    if found.is_paid and found.topup_id and found.payment_id:
        await apply_payment(tx, found.topup_id, found.payment_id)
        # The payment names its method: the card can be used again.
        remember = NewWorkItem(f"method-{found.topup_id}", WorkKind.METHOD, None, {"topup": found.topup_id})
        await stripe_work.add(tx.conn, remember)


async def _apply_invoice(terms: SubscriptionTerms, tx: Tx, found: Invoice) -> None:
    customer = await customers.find_by_customer(tx.conn, found.customer_id)
    if not found.is_paid or found.reason not in _PERIODS:
        return
    if customer is None or customer.price_id is None:
        log.error("invoice_without_tenant", invoice_id=found.invoice_id, customer_id=found.customer_id)
        return
    plan = terms.plans.get(customer.price_id)
    if plan is None:
        log.error("subscription_without_plan", tenant_id=customer.tenant_id, price_id=customer.price_id)
        return
    tenant = customer.tenant_id
    cause = f"invoice:{found.invoice_id}"
    await receive_credits(
        tx, Receipt(ReceiptKind.SUBSCRIPTION, cause, tenant, wallet_of(tenant), plan.credits, "stripe", plan.name)
    )


async def _apply_refunded_charge(tx: Tx, found: RefundedCharge, asked_at: datetime) -> None:
    if found.topup_id is None or found.payment_id is None:
        log.warning("refund_without_topup", charge_id=found.charge_id, payment_id=found.payment_id)
        return
    # What is refunded was paid before, also where that event has not come yet.
    await apply_payment(tx, found.topup_id, found.payment_id)
    topup = await topups.read(tx.conn, found.topup_id)
    if topup is None or (topup.money_seen_at and asked_at < topup.money_seen_at):
        return  # what a later call found has been applied already
    returned, taken = credits_returned(topup.credits, found.amount, found.returned), topup.taken
    cause = f"money-back:{topup.topup_id}:{topup.reversals + 1}"
    if returned > topup.reversed:
        reversal = Reversal(cause, topup.tenant_id, topup.wallet, returned - topup.reversed, "money back")
        taken += (await reverse_credits(tx, reversal)).credits
    elif taken > returned:
        await reinstate_credits(
            tx, Reversal(cause, topup.tenant_id, topup.wallet, taken - returned, "money came to us again")
        )
        taken = returned
    await topups.note_reversed(tx.conn, topup, returned, taken, asked_at)


async def _apply_usage_errors(tx: Tx, found: UsageErrors) -> None:
    now = datetime.now(UTC)
    for error in found.errors:
        usage_id = error.usage_id.partition(".")[0]
        used_at = await stripe_work.used_at(tx.conn, usage_id)
        if used_at is None:
            log.error("usage_error_without_usage", usage_id=error.usage_id, code=error.code)
            continue
        repeat_at = now + REPEAT_REJECTED_AFTER if is_worth_repeating(error.code, used_at, now) else None
        log.error("usage_rejected", usage_id=usage_id, code=error.code, repeat_at=repeat_at)
        await stripe_work.reject_usage(tx.conn, usage_id, error.code, repeat_at)
