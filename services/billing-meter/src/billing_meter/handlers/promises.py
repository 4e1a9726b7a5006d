"""What a device may promise while it is offline, and what became of it."""

from closet_contracts.credit import CreditHeld
from closet_messaging import outbox
from closet_messaging.transaction import Tx

from billing_meter.domain.movements import Hold, Movement, Promise
from billing_meter.handlers.telling import tell_balance, tell_received
from billing_meter.store import movements


async def promise_credits(tx: Tx, promise: Promise) -> Movement:
    """Set aside what the device may promise; see `movements.promise` for the outcomes."""
    moved = await movements.promise(tx.conn, promise)
    if moved.outcome == "promised":
        await tell_balance(tx, promise.tenant_id, moved)
    return moved


async def hold_promised(tx: Tx, hold: Hold) -> Movement:
    """Set a job's price aside out of what its device had promised; never beyond that."""
    moved = await movements.draw(tx.conn, hold)
    if moved.outcome == "held":
        data = CreditHeld(
            job_id=hold.job_id, account_id=moved.wallet, credits=moved.credits, expires_at=hold.expires_at
        )
        outbox.add(tx, data, tenant=hold.tenant_id)
        await tell_balance(tx, hold.tenant_id, moved)
    return moved


async def settle_promise(tx: Tx, promise_id: str, tenant: str, reason: str) -> Movement:
    """End a promise, for the device has synced or its time is over; what no job has drawn is available again."""
    moved = await movements.settle(tx.conn, promise_id, tenant, reason)
    if moved.outcome == "settled" and moved.credits:
        await tell_received(tx, tenant, moved)
    return moved
