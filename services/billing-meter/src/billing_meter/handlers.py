"""What each end and beginning of a job does to its tenant's credits."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from closet_contracts.credit import (
    CreditBalanceChanged,
    CreditCaptured,
    CreditDenied,
    CreditHeld,
    CreditPricesPublished,
    CreditReleased,
)
from closet_contracts.envelope import Event
from closet_contracts.job import JobAccepted, JobCancelled, JobCompleted, JobExpired, JobFailed
from closet_messaging import outbox
from closet_messaging.unit import Tx
from prometheus_client import Counter

from billing_meter import store
from billing_meter.domain import PRICE_CHANGED, Denial, Grant, Hold, account_of, hold_expiry, insufficient, is_agreed
from billing_meter.store import JobRef, Movement, PriceBooks

log = structlog.get_logger(__name__)

LOST = Counter("closet_credits_lost_total", "Credits of work that was delivered when nothing was held for it any more")

_PLATFORM = "closet"
"""Whose the price book is: no tenant's."""


class HoldMissing(LookupError):
    """A job completed whose hold was never asked for: delivered again later, and in the end kept as a dead letter."""


async def hold_credits(books: PriceBooks, ttl: timedelta, tx: Tx, event: Event[JobAccepted]) -> None:
    """Set the job's price aside, if it is what the book says and the account covers it."""
    job, tenant = event.data, event.tenantid
    book = await books.get(tx.conn, job.price.book_version)
    if not is_agreed(book, job.work.chargeable(), job.price):
        balance, held = await store.balance(tx.conn, tenant)
        _deny(tx, event, PRICE_CHANGED, balance - held)
        return
    expires_at = hold_expiry(datetime.now(UTC), job.deadline, ttl)
    moved = await store.hold(tx.conn, Hold(job.job_id, tenant, job.price.credits, expires_at, event.traceparent))
    if moved.outcome == "denied":
        _deny(tx, event, insufficient(job.price.credits, moved.available), moved.available)
    elif moved.outcome == "held":
        account = account_of(tenant)
        data = CreditHeld(job_id=job.job_id, account_id=account, credits=moved.credits, expires_at=expires_at)
        outbox.add(tx, data, tenant=tenant, cause=event)
        _tell_balance(tx, tenant, moved, event)


async def capture_credits(tx: Tx, event: Event[JobCompleted]) -> None:
    """Charge the job to its hold. One whose hold was given back is not charged any more: a loss, noted and told."""
    job, tenant = event.data, event.tenantid
    moved = await store.capture(tx.conn, JobRef(job.job_id, tenant, event.traceparent), job.credits)
    if moved.outcome == "captured":
        data = CreditCaptured(job_id=job.job_id, account_id=account_of(tenant), credits=moved.credits)
        outbox.add(tx, data, tenant=tenant, cause=event)
        _tell_balance(tx, tenant, moved, event)
    elif moved.outcome == "lost":
        tx.after_commit(partial(LOST.inc, moved.credits))
        log.error("credits_lost", job_id=job.job_id, tenant_id=tenant, credits=moved.credits)
    elif moved.outcome == "missing":
        raise HoldMissing(job.job_id)


async def release_credits(tx: Tx, event: Event[JobFailed | JobCancelled | JobExpired]) -> None:
    """Give the hold back; if there is none yet, see that there will be none."""
    await _release(tx, JobRef(event.data.job_id, event.tenantid, event.traceparent), event.data.code, event)


async def release_expired(tx: Tx, job: JobRef) -> None:
    """Give back a hold that nobody settled in time."""
    await _release(tx, job, "expired", None)


async def grant_credits(tx: Tx, grant: Grant) -> Movement:
    """Book credits, once per receipt; see `store.grant` for the outcomes."""
    moved = await store.grant(tx.conn, grant)
    if moved.outcome == "granted":
        _tell_balance(tx, grant.tenant_id, moved, None)
    return moved


async def publish_prices(tx: Tx) -> None:
    """Tell the price book in force, and those to come: whoever sells changes over when we do."""
    for book, since in await store.books_from_now_on(tx.conn):
        outbox.add(tx, CreditPricesPublished(book=book, effective_from=since), tenant=_PLATFORM)


def _deny(tx: Tx, event: Event[JobAccepted], denial: Denial, available: int) -> None:
    data = CreditDenied(
        job_id=event.data.job_id,
        account_id=account_of(event.tenantid),
        code=denial.code,
        message=denial.message,
        required=event.data.price.credits,
        available=available,
    )
    outbox.add(tx, data, tenant=event.tenantid, cause=event)


async def _release(tx: Tx, job: JobRef, reason: str, cause: Event[Any] | None) -> None:
    moved = await store.release(tx.conn, job, reason)
    if moved.outcome == "released":
        account = account_of(job.tenant_id)
        data = CreditReleased(job_id=job.job_id, account_id=account, credits=moved.credits, reason=reason)
        outbox.add(tx, data, tenant=job.tenant_id, cause=cause)
        _tell_balance(tx, job.tenant_id, moved, cause)


def _tell_balance(tx: Tx, tenant: str, moved: Movement, cause: Event[Any] | None) -> None:
    data = CreditBalanceChanged(
        account_id=account_of(tenant),
        balance=moved.balance,
        held=moved.held,
        available=moved.available,
        version=moved.version,
    )
    # Of many changes in one transaction only the last balance is news.
    tx.before_commit(data.account_id, partial(_add, tx, data, tenant, cause))


def _add(tx: Tx, data: CreditBalanceChanged, tenant: str, cause: Event[Any] | None) -> None:
    outbox.add(tx, data, tenant=tenant, cause=cause)
