"""What the beginning and the end of a job do to its wallet."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, assert_never

import structlog
from closet_contracts.credit import CreditCaptured, CreditDenied, CreditHeld, CreditReleased
from closet_contracts.envelope import Event
from closet_contracts.job import JobAccepted, JobCancelled, JobCompleted, JobExpired, JobFailed
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Counter

from billing_meter.domain.movements import Hold, hold_expiry, wallet_of
from billing_meter.domain.outcomes import CaptureOutcome, HoldOutcome, ReleaseOutcome
from billing_meter.domain.prices import (
    PAYMENT_OVERDUE,
    Denial,
    PricedJob,
    denial_by_book,
    denial_by_quote,
    insufficient_credits,
)
from billing_meter.handlers.notifications import publish_debit
from billing_meter.store import accounts, movements, reconciliation_inputs
from billing_meter.store.movements import JobRef
from billing_meter.store.prices import PriceBooks, find_quote
from billing_meter.store.stripe_work import ADD_USAGE

log = structlog.get_logger(__name__)

LOST_CREDITS = Counter("closet_credits_lost_total", "Credits of jobs that were delivered after their hold had ended")


class HoldMissing(LookupError):
    """A job completed whose hold was never asked for: delivered again later, and in the end kept as a dead letter."""


async def hold_credits(books: PriceBooks, ttl: timedelta, tx: Tx, event: Event[JobAccepted]) -> None:
    """Set the job's price aside, if it is what the quote or the book says and the account covers it."""
    job, tenant = event.data, event.tenantid
    if refusal := await _refusal(books, tx, event):
        balance, held = await accounts.read_balance(tx.conn, wallet_of(tenant))
        _deny(tx, event, refusal, balance - held)
        return
    expires_at = hold_expiry(datetime.now(UTC), job.deadline, ttl)
    hold = Hold(job.job_id, tenant, wallet_of(tenant), job.price.credits, expires_at, event.traceparent)
    moved = await movements.hold(tx.conn, hold)
    match moved.outcome:
        case HoldOutcome.HELD:
            data = CreditHeld(job_id=job.job_id, account_id=moved.wallet, credits=moved.credits, expires_at=expires_at)
            outbox.add(tx, data, tenant=tenant, cause=event)
            await publish_debit(tx, tenant, moved, event)
        case HoldOutcome.DENIED:
            _deny(tx, event, insufficient_credits(job.price.credits, moved.available), moved.available)
        case HoldOutcome.SUSPENDED:
            _deny(tx, event, PAYMENT_OVERDUE, moved.available)
        case HoldOutcome.KNOWN:
            pass
        case _:
            assert_never(moved.outcome)


async def capture_credits(tx: Tx, event: Event[JobCompleted | JobCancelled], *, metered: bool = False) -> None:
    """Charge the job to its hold, and give back the rest. A job whose hold has ended is not charged but noted as lost.

    Where Stripe meters (`metered`), the usage is queued to be sent to it.

    Raises:
        HoldMissing: no hold was ever asked for.
    """
    job, tenant = event.data, event.tenantid
    reconciliation_inputs.store_job_end(tx, event)
    moved = await movements.capture(tx.conn, JobRef(job.job_id, tenant, event.traceparent), job.credits)
    match moved.outcome:
        case CaptureOutcome.CAPTURED:
            captured = CreditCaptured(job_id=job.job_id, account_id=moved.wallet, credits=moved.credits)
            outbox.add(tx, captured, tenant=tenant, cause=event)
            await publish_debit(tx, tenant, moved, event)
            if metered and moved.credits:
                tx.defer(ADD_USAGE, job.job_id, tenant, moved.credits)
        case CaptureOutcome.LOST:
            tx.after_commit(partial(LOST_CREDITS.inc, moved.credits))
            log.error("credits_lost", job_id=job.job_id, tenant_id=tenant, credits=moved.credits)
        case CaptureOutcome.MISSING:
            raise HoldMissing(job.job_id)
        case CaptureOutcome.KNOWN:
            pass
        case _:
            assert_never(moved.outcome)


async def settle_cancelled(tx: Tx, event: Event[JobCancelled], *, metered: bool = False) -> None:
    """Charge what the vendor had begun, which is what the job says, and give the rest back."""
    if event.data.credits:
        await capture_credits(tx, event, metered=metered)
    else:
        await release_credits(tx, event)


async def release_credits(tx: Tx, event: Event[JobFailed | JobCancelled | JobExpired]) -> None:
    """Give the hold back; if there is none yet, see that there will be none."""
    reconciliation_inputs.store_job_end(tx, event)
    await _release(tx, JobRef(event.data.job_id, event.tenantid, event.traceparent), event.data.code, event)


async def release_expired(tx: Tx, job: JobRef) -> None:
    """Give back a hold that nobody settled in time."""
    await _release(tx, job, "expired", None)


async def store_render(tx: Tx, event: Event[RenderSucceeded | RenderFailed]) -> None:
    """Store what an attempt cost at the vendor, for reconciliation."""
    reconciliation_inputs.store_render(tx, event)


async def _refusal(books: PriceBooks, tx: Tx, event: Event[JobAccepted]) -> Denial | None:
    job = event.data
    priced = PricedJob(job.job_id, event.tenantid, job.user_id, job.work.chargeable(), job.price)
    if job.quote_id is not None:
        return denial_by_quote(await find_quote(tx.conn, job.quote_id), priced)
    return denial_by_book(await books.get(tx.conn, job.price.book_version), priced)


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
    match moved.outcome:
        case ReleaseOutcome.RELEASED:
            released = CreditReleased(job_id=job.job_id, account_id=moved.wallet, credits=moved.credits, reason=reason)
            outbox.add(tx, released, tenant=job.tenant_id, cause=cause)
            await publish_debit(tx, job.tenant_id, moved, cause)
        case ReleaseOutcome.KNOWN | ReleaseOutcome.VOIDED:
            pass
        case _:
            assert_never(moved.outcome)
