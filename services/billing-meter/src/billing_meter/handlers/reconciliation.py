"""Comparing the books with what others say of the same day."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta

import structlog
from closet_chassis.postgres import Pool
from closet_contracts.rpc import Difference, Reconciliation
from prometheus_client import Gauge

from billing_meter.store import reconciliation
from billing_meter.store.reconciliation import MeteredCustomer, Period

log = structlog.get_logger(__name__)

DIFFERENCES = Gauge("closet_reconciliation_differences", "Differences found when a day was last compared")

IN_FLIGHT = timedelta(minutes=2)
"""News of the same thing comes by several streams: what is younger may not have been heard of in full."""

UsageOf = Callable[[str, date], Awaitable[int]]
"""What Stripe's meter counted for a customer on a day."""


async def reconcile(pool: Pool, usage_of: UsageOf | None, day: date) -> Reconciliation:
    """Compare, keep the outcome, measure and log it. Stripe is asked outside any transaction."""
    now = datetime.now(UTC)
    since = datetime.combine(day, time(), UTC)
    period = Period(since, min(since + timedelta(days=1), now - IN_FLIGHT))
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        found = await reconciliation.differences(conn, period)
        compared = await reconciliation.compared(conn, period)
        # Stripe sums up whole days: one that is not over cannot be compared with it.
        is_over = period.until == since + timedelta(days=1)
        customers = await reconciliation.metered(conn, period) if usage_of and is_over else ()
    for customer in customers:
        if usage_of and (difference := await _at_stripe(usage_of, customer, day)):
            found.append(difference)
    outcome = Reconciliation(
        day=day, at=now, compared={**compared, "customers": len(customers)}, differences=tuple(found)
    )
    async with pool.acquire() as conn:
        await reconciliation.keep(conn, outcome)
    _tell(outcome)
    return outcome


async def _at_stripe(usage_of: UsageOf, customer: MeteredCustomer, day: date) -> Difference | None:
    counted = await usage_of(customer.customer_id, day)
    if counted == customer.told:
        return None
    return Difference(
        kind="meter_differs",
        id=customer.customer_id,
        tenant_id=customer.tenant_id,
        expected=customer.told,
        found=counted,
    )


def _tell(outcome: Reconciliation) -> None:
    DIFFERENCES.set(len(outcome.differences))
    for one in outcome.differences:
        log.error("difference", day=outcome.day.isoformat(), **one.model_dump(by_alias=False))
    log.info("reconciled", day=outcome.day.isoformat(), differences=len(outcome.differences), **outcome.compared)
