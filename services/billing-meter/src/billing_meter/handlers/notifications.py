"""The events that follow a movement: the new balance and, once per threshold, that it fell low."""

from enum import StrEnum
from functools import partial
from typing import Any

from closet_contracts.credit import CreditBalanceChanged, CreditBalanceLow
from closet_contracts.envelope import Event
from closet_messaging import outbox
from closet_messaging.transaction import Tx

from billing_meter.domain.movements import Movement, is_notification_due, threshold_above
from billing_meter.store import movements


async def publish_debit(tx: Tx, tenant: str, moved: Movement[StrEnum], cause: Event[Any] | None = None) -> None:
    """Publish the balance after a movement that took credits or set them aside, and that it fell low."""
    _publish_balance(tx, tenant, moved, cause)
    threshold = threshold_above(moved.thresholds, moved.available)
    if threshold is not None and is_notification_due(threshold, moved.notified_threshold):
        low = CreditBalanceLow(account_id=moved.wallet, available=moved.available, threshold=threshold)
        outbox.add(tx, low, tenant=tenant, cause=cause)
        await movements.set_notified_threshold(tx.conn, moved.wallet, threshold)


async def publish_credit(tx: Tx, tenant: str, moved: Movement[StrEnum]) -> None:
    """Publish the balance after credits came in; thresholds that it is above again count anew."""
    _publish_balance(tx, tenant, moved, None)
    threshold = threshold_above(moved.thresholds, moved.available)
    if threshold != moved.notified_threshold:
        await movements.set_notified_threshold(tx.conn, moved.wallet, threshold)


def _publish_balance(tx: Tx, tenant: str, moved: Movement[StrEnum], cause: Event[Any] | None) -> None:
    data = CreditBalanceChanged(
        account_id=moved.wallet,
        balance=moved.balance,
        held=moved.held,
        available=moved.available,
        version=moved.version,
    )
    # Of many changes in one transaction only the last balance is published.
    tx.before_commit(data.account_id, partial(_add, tx, data, tenant, cause))


def _add(tx: Tx, data: CreditBalanceChanged, tenant: str, cause: Event[Any] | None) -> None:
    outbox.add(tx, data, tenant=tenant, cause=cause)
