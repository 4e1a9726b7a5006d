"""Withdrawals of consent: the last one of each person, and whether there are still jobs to stop for it."""

from datetime import datetime
from typing import NamedTuple

from closet_messaging.transaction import Tx


def record_withdrawal(tx: Tx, person: tuple[str, str], at: datetime) -> None:
    """Record the last withdrawal of consent of a person (tenant, user), as pending: there may be jobs to stop."""
    tx.defer(
        """
        INSERT INTO withdrawals (tenant_id, user_id, withdrawn_at, pending) VALUES ($1, $2, $3, true)
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET
            withdrawn_at = greatest(withdrawals.withdrawn_at, excluded.withdrawn_at),
            pending = true
        """,
        *person,
        at,
    )


class Withdrawal(NamedTuple):
    """A withdrawal of consent whose jobs are still being stopped."""

    tenant_id: str
    user_id: str
    withdrawn_at: datetime


async def lock_pending_withdrawal(tx: Tx) -> Withdrawal | None:
    """Lock and return the oldest pending withdrawal; skip those locked by others."""
    record = await tx.conn.fetchrow(
        """SELECT tenant_id, user_id, withdrawn_at FROM withdrawals WHERE pending
        ORDER BY withdrawn_at LIMIT 1 FOR UPDATE SKIP LOCKED"""
    )
    return Withdrawal(*record) if record else None


async def complete_withdrawal(tx: Tx, withdrawal: Withdrawal) -> bool:
    """Mark the withdrawal as done if all its jobs are stopped, else return False: other transactions hold the rest."""
    tag = await tx.conn.execute(
        """UPDATE withdrawals SET pending = false WHERE tenant_id = $1 AND user_id = $2 AND NOT EXISTS (
            SELECT FROM jobs j WHERE j.tenant_id = $1 AND j.user_id = $2 AND phase IN ('accepted', 'dispatched')
                AND settle_at IS NULL AND j.consent_given_at <= $3)""",
        *withdrawal,
    )
    return bool(tag.endswith(" 1"))
