"""One handler per event."""

from collections.abc import Callable
from typing import Any

import structlog
from closet_contracts.credit import CreditDenied, CreditHeld
from closet_contracts.envelope import Event, EventData
from closet_contracts.generation import GenerationCancelRequested, GenerationRequested
from closet_contracts.job import JobAccepted
from closet_contracts.person import PersonConsentWithdrawn
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded
from closet_contracts.upload import UploadReady, UploadRejected
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Counter

from job_orchestrator.domain.facts import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    ConsentWithdrawn,
    CreditsDenied,
    CreditsHeld,
    DeadlinePassed,
    Fact,
    InputReady,
    InputRejected,
)
from job_orchestrator.domain.job import Reason
from job_orchestrator.handlers.advance import advance
from job_orchestrator.store import jobs
from job_orchestrator.store.attempts import Attempt, record_attempt
from job_orchestrator.store.jobs import JobRow
from job_orchestrator.store.withdrawals import record_withdrawal

log = structlog.get_logger(__name__)

UNPAID_STARTS = Counter(
    "closet_unpaid_starts_total",
    "Attempts that started after their job was cancelled or had expired, so that nobody pays for them",
)
STOP_BATCH_SIZE = 100
"""The most jobs that one transaction stops when consent is withdrawn."""


class UnknownJob(LookupError):
    """The tenant has no such job (yet). The event is delivered again later, and finally becomes a dead letter."""


async def accept_job(max_attempts: int, tx: Tx, event: Event[GenerationRequested]) -> None:
    """Create the job. It ends at once if its deadline has passed or its person has withdrawn consent since.

    Then no `job.accepted` follows: nobody reads the photo, and no credits are held.
    """
    row = await jobs.insert(tx, event, max_attempts)
    if row is None:
        return
    data = event.data
    if data.deadline <= tx.now():
        advance(tx, row, DeadlinePassed(), event)
        return
    if row.job.withdrawn_at and not row.job.has_consent:
        advance(tx, row, ConsentWithdrawn(row.job.withdrawn_at), event)
        return
    accepted = JobAccepted(
        job_id=row.job_id,
        user_id=row.user_id,
        version=row.job.version,
        work=data.work,
        inputs=data.inputs,
        price=data.price,
        quote_id=data.quote_id,
        deadline=data.deadline,
    )
    outbox.add(tx, accepted, tenant=row.tenant_id, cause=event)


async def cancel_job(tx: Tx, event: Event[GenerationCancelRequested]) -> None:
    """Cancel the job. If its request has not arrived, record it as cancelled, so that the request changes nothing."""
    row = await jobs.add_cancelled(tx, event.data.job_id, event.tenantid, event.data.user_id)
    if row is None:
        await _apply_fact(tx, event, event.data.job_id, CancelRequested())
        return
    advance(tx, row, CancelRequested(), event)


async def withdraw_consent(wake: Callable[[], None], tx: Tx, event: Event[PersonConsentWithdrawn]) -> None:
    """Stop the person's jobs that have not reached the vendor, and those whose request has not arrived yet.

    Stop `STOP_BATCH_SIZE` jobs here and leave the others to a worker, which `wake` wakes. None of them proceeds
    meanwhile: each transition checks the consent.
    """
    person, at = (event.tenantid, event.data.user_id), event.data.withdrawn_at
    for row in await jobs.lock_withdrawn(tx, person, at, STOP_BATCH_SIZE):
        advance(tx, row, ConsentWithdrawn(at), event)
    record_withdrawal(tx, person, at)
    tx.after_commit(wake)


async def mark_input_ready(tx: Tx, event: Event[UploadReady]) -> None:
    """Record that an input can be used, and dispatch the job if it was the last one missing."""
    row = await _lock_job(tx, event, event.data.job_id)
    if event.data.upload_id in row.job.missing_inputs:
        row.assets[event.data.upload_id] = event.data.asset.model_dump(mode="json")
    advance(tx, row, InputReady(event.data.upload_id), event)


async def mark_input_rejected(tx: Tx, event: Event[UploadRejected]) -> None:
    """Fail the items that need an unusable input."""
    data = event.data
    await _apply_fact(tx, event, data.job_id, InputRejected(data.upload_id, Reason(data.code, data.message)))


async def mark_credits_held(tx: Tx, event: Event[CreditHeld]) -> None:
    """Record that the price is held, and dispatch the job if its inputs are ready."""
    await _apply_fact(tx, event, event.data.job_id, CreditsHeld())


async def mark_credits_denied(tx: Tx, event: Event[CreditDenied]) -> None:
    """Fail the job because the price could not be held."""
    await _apply_fact(tx, event, event.data.job_id, CreditsDenied(Reason(event.data.code, event.data.message)))


async def mark_attempt_started(tx: Tx, event: Event[RenderStarted]) -> None:
    """Record that the vendor accepted the task, and count it if nobody will pay for it."""
    data = event.data
    row = await _lock_job(tx, event, data.job_id)
    if row.job.is_unpaid_start(data.item, data.attempt):
        tx.after_commit(UNPAID_STARTS.inc)
        log.warning("unpaid_attempt_started", job_id=data.job_id, item=data.item, phase=row.job.phase.value)
    advance(tx, row, AttemptStarted(data.item, data.attempt), event)
    started = Attempt(data.job_id, data.item, data.attempt, started_at=event.time, vendor_task_id=data.vendor_task_id)
    record_attempt(tx, started)


async def mark_attempt_succeeded(tx: Tx, event: Event[RenderSucceeded]) -> None:
    """Keep an item's results. If the job has ended otherwise, only record the attempt."""
    data = event.data
    row = await _lock_job(tx, event, data.job_id)
    _record_attempt_end(tx, event, "succeeded")
    if row.job.is_current_attempt(data.item, data.attempt):
        row.results[str(data.item)] = [result.model_dump(mode="json") for result in data.results]
    advance(tx, row, AttemptSucceeded(data.item, data.attempt, data.vendor_ms), event)


async def mark_attempt_failed(tx: Tx, event: Event[RenderFailed]) -> None:
    """Record that an attempt produced no result, and try again or fail the item."""
    data = event.data
    reason = Reason(data.code, data.message, data.tip)
    failed = AttemptFailed(data.item, data.attempt, data.vendor_ms, reason, data.retryable)
    await _apply_fact(tx, event, data.job_id, failed)
    _record_attempt_end(tx, event, data.code, data.vendor_code)


async def _apply_fact(tx: Tx, event: Event[EventData], job_id: str, fact: Fact) -> None:
    advance(tx, await _lock_job(tx, event, job_id), fact, event)


async def _lock_job(tx: Tx, event: Event[EventData], job_id: str) -> JobRow:
    row = await jobs.lock(tx, job_id, event.tenantid)
    if row is None:
        raise UnknownJob(f"{event.type} names a job that tenant {event.tenantid} does not have")
    return row


def _record_attempt_end(tx: Tx, event: Event[Any], outcome: str, vendor_code: str | None = None) -> None:
    data: RenderSucceeded | RenderFailed = event.data
    ended = Attempt(
        data.job_id,
        data.item,
        data.attempt,
        ended_at=event.time,
        outcome=outcome,
        vendor_code=vendor_code,
        vendor_calls=data.vendor_calls,
        vendor_ms=data.vendor_ms,
    )
    record_attempt(tx, ended)
