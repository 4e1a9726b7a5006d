"""What the world is told after a movement: the new balance, and once that it fell low."""

from functools import partial
from typing import Any

from closet_contracts.credit import CreditBalanceChanged, CreditBalanceLow
from closet_contracts.envelope import Event
from closet_messaging import outbox
from closet_messaging.transaction import Tx

from billing_meter.domain.movements import Movement, is_news, threshold_above
from billing_meter.store import movements


async def tell_balance(tx: Tx, tenant: str, moved: Movement, cause: Event[Any] | None = None) -> None:
    """Tell the balance after a movement that took credits or set them aside."""
    _tell(tx, tenant, moved, cause)
    threshold = threshold_above(moved.low_at, moved.available)
    if threshold is not None and is_news(threshold, moved.told_low):
        low = CreditBalanceLow(account_id=moved.wallet, available=moved.available, threshold=threshold)
        outbox.add(tx, low, tenant=tenant, cause=cause)
        await movements.note_told(tx.conn, moved.wallet, threshold)


async def tell_received(tx: Tx, tenant: str, moved: Movement) -> None:
    """Tell the balance after credits came in; thresholds that it is above again will be told of again."""
    _tell(tx, tenant, moved, None)
    threshold = threshold_above(moved.low_at, moved.available)
    if threshold != moved.told_low:
        await movements.note_told(tx.conn, moved.wallet, threshold)


def _tell(tx: Tx, tenant: str, moved: Movement, cause: Event[Any] | None) -> None:
    data = CreditBalanceChanged(
        account_id=moved.wallet,
        balance=moved.balance,
        held=moved.held,
        available=moved.available,
        version=moved.version,
    )
    # Of many changes in one transaction only the last balance is news.
    tx.before_commit(data.account_id, partial(_add, tx, data, tenant, cause))


def _add(tx: Tx, data: CreditBalanceChanged, tenant: str, cause: Event[Any] | None) -> None:
    outbox.add(tx, data, tenant=tenant, cause=cause)
