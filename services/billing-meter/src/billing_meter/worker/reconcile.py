"""Reconciles each day once it is over and its events have come."""

from datetime import UTC, datetime, timedelta

from closet_chassis.postgres import Pool

from billing_meter.handlers.reconciliation import UsageOf, reconcile
from billing_meter.store.reconciliation import is_reconciled

INTERVAL_S = 600.0
SETTLE = timedelta(hours=1)


async def reconcile_yesterday(pool: Pool, usage_of: UsageOf | None) -> bool:
    """Reconcile yesterday, unless that was done; any number of replicas may try. A step of `work_loop`."""
    day = (datetime.now(UTC) - SETTLE).date() - timedelta(days=1)
    async with pool.acquire() as conn:
        done = await is_reconciled(conn, day)
    if not done:
        await reconcile(pool, usage_of, day)
    return False
