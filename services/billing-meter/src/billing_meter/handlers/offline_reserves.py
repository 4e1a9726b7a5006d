"""Offline reserves: credits that a device may spend while it is offline."""

from typing import assert_never

from closet_contracts.credit import CreditHeld
from closet_messaging import outbox
from closet_messaging.transaction import Tx

from billing_meter.domain.movements import Hold, Movement, OfflineReserve
from billing_meter.domain.outcomes import DrawOutcome, ReserveOutcome, SettlementOutcome
from billing_meter.handlers.notifications import publish_credit, publish_debit
from billing_meter.store import movements


async def reserve_credits(tx: Tx, reserve: OfflineReserve) -> Movement[ReserveOutcome]:
    """Set credits aside for a device's offline work."""
    moved = await movements.reserve(tx.conn, reserve)
    match moved.outcome:
        case ReserveOutcome.RESERVED:
            await publish_debit(tx, reserve.tenant_id, moved)
        case ReserveOutcome.DENIED | ReserveOutcome.SUSPENDED | ReserveOutcome.KNOWN | ReserveOutcome.REFUSED:
            pass
        case _:
            assert_never(moved.outcome)
    return moved


async def draw_down(tx: Tx, hold: Hold) -> Movement[DrawOutcome]:
    """Set a job's price aside out of its device's reserve, never beyond it."""
    moved = await movements.draw_down(tx.conn, hold)
    match moved.outcome:
        case DrawOutcome.HELD:
            held = CreditHeld(
                job_id=hold.job_id, account_id=moved.wallet, credits=moved.credits, expires_at=hold.expires_at
            )
            outbox.add(tx, held, tenant=hold.tenant_id)
            await publish_debit(tx, hold.tenant_id, moved)
        case DrawOutcome.DENIED | DrawOutcome.KNOWN | DrawOutcome.MISSING:
            pass
        case _:
            assert_never(moved.outcome)
    return moved


async def settle_reserve(tx: Tx, reserve_id: str, tenant: str, reason: str) -> Movement[SettlementOutcome]:
    """End a reserve, for the device has synced or its time is over; what no job has drawn is available again."""
    moved = await movements.settle_reserve(tx.conn, reserve_id, tenant, reason)
    match moved.outcome:
        case SettlementOutcome.SETTLED:
            if moved.credits:
                await publish_credit(tx, tenant, moved)
        case SettlementOutcome.KNOWN | SettlementOutcome.MISSING:
            pass
        case _:
            assert_never(moved.outcome)
    return moved
