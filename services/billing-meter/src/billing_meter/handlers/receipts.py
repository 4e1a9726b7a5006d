"""Credits that come in, go back, or are put right; and the prices they are sold at."""

from typing import assert_never

from closet_contracts.credit import CreditPricesPublished
from closet_messaging import outbox
from closet_messaging.transaction import Tx

from billing_meter.domain.movements import Correction, Movement, Receipt, Reversal
from billing_meter.domain.outcomes import (
    AdjustmentOutcome,
    ExpiryOutcome,
    ReceiptOutcome,
    RefundOutcome,
    ReinstatementOutcome,
    ReversalOutcome,
)
from billing_meter.handlers.notifications import publish_credit, publish_debit
from billing_meter.store import movements
from billing_meter.store.prices import current_and_future_books

_PLATFORM = "closet"
"""The tenant of the price book's events: the book belongs to no real one."""


async def receive_credits(tx: Tx, receipt: Receipt) -> Movement[ReceiptOutcome]:
    """Book credits that come in, once per cause."""
    moved = await movements.receive(tx.conn, receipt)
    match moved.outcome:
        case ReceiptOutcome.GRANTED:
            await publish_credit(tx, receipt.tenant_id, moved)
        case ReceiptOutcome.KNOWN | ReceiptOutcome.REFUSED:
            pass
        case _:
            assert_never(moved.outcome)
    return moved


async def refund_credits(tx: Tx, correction: Correction) -> Movement[RefundOutcome]:
    """Give back credits of a job that was charged."""
    moved = await movements.refund(tx.conn, correction)
    match moved.outcome:
        case RefundOutcome.REFUNDED:
            await publish_credit(tx, correction.tenant_id, moved)
        case RefundOutcome.KNOWN | RefundOutcome.REFUSED:
            pass
        case _:
            assert_never(moved.outcome)
    return moved


async def adjust_credits(tx: Tx, correction: Correction) -> Movement[AdjustmentOutcome]:
    """Put a balance right by hand, up or down."""
    moved = await movements.adjust(tx.conn, correction)
    match moved.outcome:
        case AdjustmentOutcome.ADJUSTED if moved.credits > 0:
            await publish_credit(tx, correction.tenant_id, moved)
        case AdjustmentOutcome.ADJUSTED:
            await publish_debit(tx, correction.tenant_id, moved)
        case AdjustmentOutcome.KNOWN | AdjustmentOutcome.REFUSED:
            pass
        case _:
            assert_never(moved.outcome)
    return moved


async def reverse_credits(tx: Tx, reversal: Reversal) -> Movement[ReversalOutcome]:
    """Take back credits whose money went back to the payer, as far as they are still there."""
    moved = await movements.reverse(tx.conn, reversal)
    match moved.outcome:
        case ReversalOutcome.REVERSED:
            if moved.credits:
                await publish_debit(tx, reversal.tenant_id, moved)
        case ReversalOutcome.KNOWN:
            pass
        case _:
            assert_never(moved.outcome)
    return moved


async def reinstate_credits(tx: Tx, reversal: Reversal) -> Movement[ReinstatementOutcome]:
    """Return credits that a reversal took: its refund failed, or its dispute was won."""
    moved = await movements.reinstate(tx.conn, reversal)
    match moved.outcome:
        case ReinstatementOutcome.REINSTATED:
            await publish_credit(tx, reversal.tenant_id, moved)
        case ReinstatementOutcome.KNOWN:
            pass
        case _:
            assert_never(moved.outcome)
    return moved


async def expire_promotions(tx: Tx, tenant: str, wallet: str) -> None:
    """Take back what is left of promotions that have expired."""
    moved = await movements.expire(tx.conn, tenant, wallet)
    match moved.outcome:
        case ExpiryOutcome.EXPIRED:
            await publish_debit(tx, tenant, moved)
        case ExpiryOutcome.KNOWN:
            pass
        case _:
            assert_never(moved.outcome)


async def publish_prices(tx: Tx) -> None:
    """Publish the price book in force, and those to come: whoever sells changes over when we do."""
    for book, since in await current_and_future_books(tx.conn):
        outbox.add(tx, CreditPricesPublished(book=book, effective_from=since), tenant=_PLATFORM)
