"""What each end and beginning of a job does to its wallet."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from closet_contracts.credit import CreditCaptured, CreditDenied, CreditHeld, CreditReleased
from closet_contracts.envelope import Event
from closet_contracts.job import JobAccepted, JobCancelled, JobCompleted, JobExpired, JobFailed
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Counter

from billing_meter.domain.movements import Hold, hold_expiry, wallet_of
from billing_meter.domain.prices import (
    PAYMENT_OVERDUE,
    Asked,
    Denial,
    insufficient,
    refused_by_book,
    refused_by_quote,
)
from billing_meter.handlers.telling import tell_balance
from billing_meter.store import accounts, facts, movements
from billing_meter.store.movements import JobRef
from billing_meter.store.prices import PriceBooks, kept_quote
from billing_meter.store.work import ADD_USAGE

log = structlog.get_logger(__name__)

LOST = Counter("closet_credits_lost_total", "Credits of work that was delivered when nothing was held for it any more")


class HoldMissing(LookupError):
    """A job completed whose hold was never asked for: delivered again later, and in the end kept as a dead letter."""


async def hold_credits(books: PriceBooks, ttl: timedelta, tx: Tx, event: Event[JobAccepted]) -> None:
    """Set the job's price aside, if it is what the quote or the book says and the account covers it."""
    job, tenant = event.data, event.tenantid
    if refusal := await _refusal(books, tx, event):
        balance, held = await accounts.balance(tx.conn, wallet_of(tenant))
        _deny(tx, event, refusal, balance - held)
        return
    expires_at = hold_expiry(datetime.now(UTC), job.deadline, ttl)
    hold = Hold(job.job_id, tenant, wallet_of(tenant), job.price.credits, expires_at, event.traceparent)
    moved = await movements.hold(tx.conn, hold)
    if moved.outcome == "denied":
        _deny(tx, event, insufficient(job.price.credits, moved.available), moved.available)
    elif moved.outcome == "suspended":
        _deny(tx, event, PAYMENT_OVERDUE, moved.available)
    elif moved.outcome == "held":
        data = CreditHeld(job_id=job.job_id, account_id=moved.wallet, credits=moved.credits, expires_at=expires_at)
        outbox.add(tx, data, tenant=tenant, cause=event)
        await tell_balance(tx, tenant, moved, event)


async def capture_credits(tx: Tx, event: Event[JobCompleted | JobCancelled], *, metered: bool = False) -> None:
    """Charge the job to its hold, and give back the rest. Where the hold was given back it is a loss, noted and told.

    Where Stripe meters (`metered`), what was captured is to be told to it.
    """
    job, tenant = event.data, event.tenantid
    facts.keep_end(tx, event)
    moved = await movements.capture(tx.conn, JobRef(job.job_id, tenant, event.traceparent), job.credits)
    if moved.outcome == "captured":
        data = CreditCaptured(job_id=job.job_id, account_id=moved.wallet, credits=moved.credits)
        outbox.add(tx, data, tenant=tenant, cause=event)
        await tell_balance(tx, tenant, moved, event)
        if metered and moved.credits:
            tx.defer(ADD_USAGE, job.job_id, tenant, moved.credits)
    elif moved.outcome == "lost":
        tx.after_commit(partial(LOST.inc, moved.credits))
        log.error("credits_lost", job_id=job.job_id, tenant_id=tenant, credits=moved.credits)
    elif moved.outcome == "missing":
        raise HoldMissing(job.job_id)


async def settle_cancelled(tx: Tx, event: Event[JobCancelled], *, metered: bool = False) -> None:
    """Charge what the vendor had begun, which is what the job says, and give the rest back."""
    if event.data.credits:
        await capture_credits(tx, event, metered=metered)
    else:
        await release_credits(tx, event)


async def release_credits(tx: Tx, event: Event[JobFailed | JobCancelled | JobExpired]) -> None:
    """Give the hold back; if there is none yet, see that there will be none."""
    facts.keep_end(tx, event)
    await _release(tx, JobRef(event.data.job_id, event.tenantid, event.traceparent), event.data.code, event)


async def release_expired(tx: Tx, job: JobRef) -> None:
    """Give back a hold that nobody settled in time."""
    await _release(tx, job, "expired", None)


async def keep_render(tx: Tx, event: Event[RenderSucceeded | RenderFailed]) -> None:
    """Keep what an attempt took at the vendor."""
    facts.keep_render(tx, event)


async def _refusal(books: PriceBooks, tx: Tx, event: Event[JobAccepted]) -> Denial | None:
    job = event.data
    asked = Asked(job.job_id, event.tenantid, job.user_id, job.work.chargeable(), job.price)
    if job.quote_id is not None:
        return refused_by_quote(await kept_quote(tx.conn, job.quote_id), asked)
    return refused_by_book(await books.get(tx.conn, job.price.book_version), asked)


def _deny(tx: Tx, event: Event[JobAccepted], denial: Denial, available: int) -> None:
    data = CreditDenied(
        job_id=event.data.job_id,
        account_id=wallet_of(event.tenantid),
        code=denial.code,
        message=denial.message,
        required=event.data.price.credits,
        available=available,
    )
    outbox.add(tx, data, tenant=event.tenantid, cause=event)


async def _release(tx: Tx, job: JobRef, reason: str, cause: Event[Any] | None) -> None:
    moved = await movements.release(tx.conn, job, reason)
    if moved.outcome == "released":
        data = CreditReleased(job_id=job.job_id, account_id=moved.wallet, credits=moved.credits, reason=reason)
        outbox.add(tx, data, tenant=job.tenant_id, cause=cause)
        await tell_balance(tx, job.tenant_id, moved, cause)
