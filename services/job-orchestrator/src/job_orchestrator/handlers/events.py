"""One function per event."""

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
from job_orchestrator.store.attempts import Attempt, note_attempt
from job_orchestrator.store.jobs import Row
from job_orchestrator.store.withdrawals import note_withdrawal

log = structlog.get_logger(__name__)

UNPAID = Counter("closet_unpaid_starts_total", "Tasks that the vendor took after their job had ended without them")
PORTION = 100
"""How many jobs one transaction stops when consent is withdrawn."""


class UnknownJob(LookupError):
    """The tenant has no such job (yet): the fact is delivered again later, and in the end kept as a dead letter."""


async def accept_job(max_attempts: int, tx: Tx, event: Event[GenerationRequested]) -> None:
    """Make the job; one that is too late, or whose person has withdrawn consent since, ends at once.

    Then nobody touches the photo, and nothing is held.
    """
    row = await jobs.insert(tx, event, max_attempts)
    if row is None:
        return
    data = event.data
    if data.deadline <= tx.now():
        advance(tx, row, DeadlinePassed(), event)
        return
    if row.job.withdrawn_at and not row.job.consented:
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
    """The owner cancels. Where the request was never heard of the job ends all the same, and stays ended."""
    row = await jobs.add_cancelled(tx, event.data.job_id, event.tenantid, event.data.user_id)
    if row is None:
        await _take(tx, event, event.data.job_id, CancelRequested())
        return
    advance(tx, row, CancelRequested(), event)


async def withdraw_consent(wake: Callable[[], None], tx: Tx, event: Event[PersonConsentWithdrawn]) -> None:
    """Stop the person's jobs that have not reached the vendor, and those whose request is still on its way.

    Many are stopped a portion at a time, the others by a worker: `wake` wakes it. None of them goes on meanwhile.
    """
    person, at = (event.tenantid, event.data.user_id), event.data.withdrawn_at
    for row in await jobs.lock_withdrawn(tx, person, at, PORTION):
        advance(tx, row, ConsentWithdrawn(at), event)
    note_withdrawal(tx, person, at)
    tx.after_commit(wake)


async def input_ready(tx: Tx, event: Event[UploadReady]) -> None:
    """An input was checked."""
    row = await _locked(tx, event, event.data.job_id)
    if event.data.upload_id in row.job.missing:
        row.assets[event.data.upload_id] = event.data.asset.model_dump(mode="json")
    advance(tx, row, InputReady(event.data.upload_id), event)


async def input_rejected(tx: Tx, event: Event[UploadRejected]) -> None:
    """An input cannot be used."""
    data = event.data
    await _take(tx, event, data.job_id, InputRejected(data.upload_id, Reason(data.code, data.message)))


async def credits_held(tx: Tx, event: Event[CreditHeld]) -> None:
    """The price is set aside."""
    await _take(tx, event, event.data.job_id, CreditsHeld())


async def credits_denied(tx: Tx, event: Event[CreditDenied]) -> None:
    """The price could not be set aside."""
    await _take(tx, event, event.data.job_id, CreditsDenied(Reason(event.data.code, event.data.message)))


async def attempt_started(tx: Tx, event: Event[RenderStarted]) -> None:
    """The vendor took the task."""
    data = event.data
    row = await _locked(tx, event, data.job_id)
    if row.job.is_unpaid(data.item, data.attempt):
        tx.after_commit(UNPAID.inc)
        log.warning("begun_unpaid", job_id=data.job_id, item=data.item, phase=row.job.phase.value)
    advance(tx, row, AttemptStarted(data.item, data.attempt), event)
    started = Attempt(data.job_id, data.item, data.attempt, started_at=event.time, vendor_task_id=data.vendor_task_id)
    note_attempt(tx, started)


async def attempt_succeeded(tx: Tx, event: Event[RenderSucceeded]) -> None:
    """An item's results are there; of a job that has ended otherwise, the attempt is only noted."""
    data = event.data
    row = await _locked(tx, event, data.job_id)
    _note_end(tx, event, "succeeded")
    if row.job.awaits(data.item, data.attempt):
        row.results[str(data.item)] = [result.model_dump(mode="json") for result in data.results]
    advance(tx, row, AttemptSucceeded(data.item, data.attempt, data.vendor_ms), event)


async def attempt_failed(tx: Tx, event: Event[RenderFailed]) -> None:
    """The attempt gave no result."""
    data = event.data
    reason = Reason(data.code, data.message, data.tip)
    failed = AttemptFailed(data.item, data.attempt, data.vendor_ms, reason, data.retryable)
    await _take(tx, event, data.job_id, failed)
    _note_end(tx, event, data.code, data.vendor_code)


async def _take(tx: Tx, event: Event[EventData], job_id: str, fact: Fact) -> None:
    advance(tx, await _locked(tx, event, job_id), fact, event)


async def _locked(tx: Tx, event: Event[EventData], job_id: str) -> Row:
    row = await jobs.lock(tx, job_id, event.tenantid)
    if row is None:
        raise UnknownJob(f"{event.type} is about a job that tenant {event.tenantid} does not have")
    return row


def _note_end(tx: Tx, event: Event[Any], outcome: str, vendor_code: str | None = None) -> None:
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
    note_attempt(tx, ended)
