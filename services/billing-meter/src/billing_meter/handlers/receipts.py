"""Credits that come in, go back, or are put right."""

from closet_contracts.credit import CreditPricesPublished
from closet_messaging import outbox
from closet_messaging.transaction import Tx

from billing_meter.domain.movements import Correction, Movement, Receipt, Reversal
from billing_meter.handlers.telling import tell_balance, tell_received
from billing_meter.store import movements
from billing_meter.store.prices import books_from_now_on

_PLATFORM = "closet"
"""Whose the price book is: no tenant's."""


async def receive_credits(tx: Tx, receipt: Receipt) -> Movement:
    """Book credits, once per cause; see `movements.receive` for the outcomes."""
    moved = await movements.receive(tx.conn, receipt)
    if moved.outcome == "granted":
        await tell_received(tx, receipt.tenant_id, moved)
    return moved


async def refund_credits(tx: Tx, correction: Correction) -> Movement:
    """Give back credits of a job that was charged."""
    moved = await movements.refund(tx.conn, correction)
    if moved.outcome == "refunded":
        await tell_received(tx, correction.tenant_id, moved)
    return moved


async def adjust_credits(tx: Tx, correction: Correction) -> Movement:
    """Put a balance right by hand, up or down."""
    moved = await movements.adjust(tx.conn, correction)
    if moved.outcome == "adjusted":
        tell = tell_received if moved.credits > 0 else tell_balance
        await tell(tx, correction.tenant_id, moved)
    return moved


async def reverse_credits(tx: Tx, reversal: Reversal) -> Movement:
    """Take back credits whose money went back to the payer, as far as they are still there."""
    moved = await movements.reverse(tx.conn, reversal)
    if moved.outcome == "reversed" and moved.credits:
        await tell_balance(tx, reversal.tenant_id, moved)
    return moved


async def reinstate_credits(tx: Tx, reversal: Reversal) -> Movement:
    """Give back credits that were taken for money which has come to us again."""
    moved = await movements.reinstate(tx.conn, reversal)
    if moved.outcome == "reinstated":
        await tell_received(tx, reversal.tenant_id, moved)
    return moved


async def expire_promotions(tx: Tx, tenant: str, wallet: str) -> None:
    """Take back what is left of promotions that have expired."""
    moved = await movements.expire(tx.conn, tenant, wallet)
    if moved.outcome == "expired":
        await tell_balance(tx, tenant, moved)


async def publish_prices(tx: Tx) -> None:
    """Tell the price book in force, and those to come: whoever sells changes over when we do."""
    for book, since in await books_from_now_on(tx.conn):
        outbox.add(tx, CreditPricesPublished(book=book, effective_from=since), tenant=_PLATFORM)
