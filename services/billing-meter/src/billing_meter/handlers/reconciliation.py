"""Reconciliation: the ledger compared with jobs, renders and Stripe for one day."""

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
"""Events about the same thing come by several streams: of what is younger, not all may have come."""

UsageOf = Callable[[str, date], Awaitable[int]]
"""Returns what Stripe's meter counted for a customer on a day, in credits."""


async def reconcile(pool: Pool, usage_of: UsageOf | None, day: date) -> Reconciliation:
    """Compare a day, store the outcome, measure and log it. Stripe is asked outside any transaction."""
    now = datetime.now(UTC)
    since = datetime.combine(day, time(), UTC)
    period = Period(since, min(since + timedelta(days=1), now - IN_FLIGHT))
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        found = await reconciliation.find_differences(conn, period)
        compared = await reconciliation.count_compared(conn, period)
        # Stripe sums up whole days: one that is not over cannot be compared with it.
        is_over = period.until == since + timedelta(days=1)
        customers = await reconciliation.metered_customers(conn, period) if usage_of and is_over else ()
    for customer in customers:
        if usage_of and (difference := await _compare_with_stripe(usage_of, customer, day)):
            found.append(difference)
    outcome = Reconciliation(
        day=day, at=now, compared={**compared, "customers": len(customers)}, differences=tuple(found)
    )
    async with pool.acquire() as conn:
        await reconciliation.store(conn, outcome)
    _report(outcome)
    return outcome


async def _compare_with_stripe(usage_of: UsageOf, customer: MeteredCustomer, day: date) -> Difference | None:
    counted = await usage_of(customer.customer_id, day)
    if counted == customer.sent:
        return None
    return Difference(
        kind="meter_differs",
        id=customer.customer_id,
        tenant_id=customer.tenant_id,
        expected=customer.sent,
        found=counted,
    )


def _report(outcome: Reconciliation) -> None:
    DIFFERENCES.set(len(outcome.differences))
    for difference in outcome.differences:
        log.error("reconciliation_difference", day=outcome.day.isoformat(), **difference.model_dump(by_alias=False))
    log.info("reconciled", day=outcome.day.isoformat(), differences=len(outcome.differences), **outcome.compared)
