"""The transitions of a job: a job and a fact in, the job after the fact and its effects out.

A fact that is stale, repeated or too late changes nothing. A job ends exactly once.
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from job_orchestrator.domain.effects import Completion, Dispatch, Effect, End, StopRequest
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
    PreparationFact,
    RenderFact,
    SettlementDue,
)
from job_orchestrator.domain.job import (
    CANCELLED_BY_OWNER,
    CONSENT_WITHDRAWN,
    DEADLINE_PASSED,
    NOT_AT_VENDOR,
    OPEN_PHASES,
    Item,
    ItemState,
    Job,
    Phase,
    Reason,
)

Transition = tuple[Job, tuple[Effect, ...]]


def apply(job: Job, fact: Fact) -> Transition:
    """Return the job after `fact`, with its version one higher if anything changed, and the effects."""
    if job.phase not in OPEN_PHASES:
        return _unchanged(job)
    after, effects = _apply(job, fact)
    return _unchanged(job) if after == job else (replace(after, version=job.version + 1), effects)


def _apply(job: Job, fact: Fact) -> Transition:
    match fact:
        case InputReady() | InputRejected() | CreditsHeld() | CreditsDenied():
            return _prepare(job, fact)
        case AttemptStarted() | AttemptSucceeded() | AttemptFailed():
            return _apply_attempt(job, fact) if job.is_current_attempt(fact.item, fact.attempt) else _unchanged(job)
        case ConsentWithdrawn(at):
            return _withdraw_consent(job, at)
        case CancelRequested():
            return _stop(job, CANCELLED_BY_OWNER)
        case SettlementDue():
            return _end(job, Phase.CANCELLED, job.stop_reason) if job.stop_reason else _unchanged(job)
        case DeadlinePassed():
            return _end(job, Phase.EXPIRED, DEADLINE_PASSED)
        case _:
            assert_never(fact)


def _prepare(job: Job, fact: PreparationFact) -> Transition:
    match fact:
        case InputReady(upload_id):
            known = {upload_id} & {each.upload_id for each in job.inputs}
            return _dispatch_if_ready(replace(job, ready=job.ready | known))
        case CreditsHeld():
            return _dispatch_if_ready(replace(job, has_hold=True))
        case InputRejected(upload_id, reason):
            return _reject_input(job, upload_id, reason) if upload_id in job.missing_inputs else _unchanged(job)
        case CreditsDenied(reason):
            return _unchanged(job) if job.has_hold else _end(job, Phase.FAILED, reason)
        case _:
            assert_never(fact)


def _reject_input(job: Job, upload_id: str, reason: Reason) -> Transition:
    """Fail the items that need this input; the others continue."""
    for each in job.inputs:
        item = job.items[each.item]
        if each.upload_id == upload_id and item.state is ItemState.WAITING:
            named = reason.for_input(each.role, each.item if len(job.items) > 1 else None)
            job = _with_item(job, each.item, replace(item, state=ItemState.FAILED, reason=named))
    if all(item.state is ItemState.FAILED for item in job.items):
        return _fail(job)
    return _dispatch_if_ready(job)


def _apply_attempt(job: Job, fact: RenderFact) -> Transition:
    item = job.items[fact.item]
    match fact:
        case AttemptStarted():
            return _update_item(job, fact.item, replace(item, state=ItemState.RUNNING))
        case AttemptSucceeded(vendor_ms=vendor_ms):
            return _update_item(
                job, fact.item, replace(item, state=ItemState.SUCCEEDED, vendor_ms=item.vendor_ms + vendor_ms)
            )
        case AttemptFailed(vendor_ms=vendor_ms, reason=reason, retryable=retryable):
            spent = _with_item(job, fact.item, replace(item, vendor_ms=item.vendor_ms + vendor_ms))
            ended = replace(spent.items[fact.item], state=ItemState.FAILED, reason=reason)
            if not retryable or item.attempt == job.max_attempts or job.stop_reason:
                return _update_item(spent, fact.item, ended)
            if not job.has_consent:
                return _stop(_with_item(spent, fact.item, ended), CONSENT_WITHDRAWN)
            return _dispatch(spent, fact.item)
        case _:
            assert_never(fact)


def _stop(job: Job, reason: Reason) -> Transition:
    # Attempts that the vendor started are paid; of dispatched items it is not known yet whether they started.
    if not job.has_dispatched_items:
        return _end(job, Phase.CANCELLED, reason)
    return (job, ()) if job.stop_reason else (replace(job, stop_reason=reason), (StopRequest(),))


def _withdraw_consent(job: Job, at: datetime) -> Transition:
    withdrawn = replace(job, withdrawn_at=max(at, job.withdrawn_at or at))
    # Attempts that the vendor works on are not stopped: their results are stored, and can be erased.
    should_stop = not withdrawn.has_consent and job.phase in NOT_AT_VENDOR
    return _stop(withdrawn, CONSENT_WITHDRAWN) if should_stop and not job.stop_reason else _unchanged(job)


def _dispatch_if_ready(job: Job) -> Transition:
    is_ready = job.phase is Phase.ACCEPTED and job.has_hold and not job.missing_inputs
    waiting = (number for number, item in enumerate(job.items) if item.state is ItemState.WAITING)
    return _dispatch(job, *waiting) if is_ready else (job, ())


def _dispatch(job: Job, *numbers: int) -> Transition:
    """Start the next attempt at each of these items."""
    if not job.has_consent:
        return _stop(job, CONSENT_WITHDRAWN)
    for number in numbers:
        job = _with_item(
            job, number, replace(job.items[number], state=ItemState.DISPATCHED, attempt=job.items[number].attempt + 1)
        )
    dispatches = tuple(Dispatch(number, job.items[number].attempt) for number in numbers)
    return replace(job, phase=Phase.DISPATCHED), dispatches


def _update_item(job: Job, number: int, item: Item) -> Transition:
    """Replace the item, and end the job if it was the last one that had not ended."""
    job = _with_item(job, number, item)
    states = {item.state for item in job.items}
    if ItemState.DISPATCHED in states:
        return job, ()
    if job.stop_reason:
        return _end(job, Phase.CANCELLED, job.stop_reason)
    if ItemState.RUNNING in states:
        return replace(job, phase=Phase.RUNNING), ()
    if ItemState.SUCCEEDED in states:
        return replace(job, phase=Phase.COMPLETED), (Completion(),)
    return _fail(job)


def _fail(job: Job) -> Transition:
    """Fail the job for the reason of its first failed item."""
    return _end(job, Phase.FAILED, next(item.reason for item in job.items if item.reason))


def _with_item(job: Job, number: int, item: Item) -> Job:
    return replace(job, items=(*job.items[:number], item, *job.items[number + 1 :]))


def _end(job: Job, phase: Phase, reason: Reason) -> Transition:
    return replace(job, phase=phase), (End(phase, reason),)


def _unchanged(job: Job) -> Transition:
    return job, ()
