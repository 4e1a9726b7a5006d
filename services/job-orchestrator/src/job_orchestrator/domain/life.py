"""The life of one job: a fact comes in, the job after it and what is to be told go out.

A fact that is stale, repeated or too late changes nothing. A job ends exactly once.
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from job_orchestrator.domain.facts import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    Complete,
    ConsentWithdrawn,
    CreditsDenied,
    CreditsHeld,
    DeadlinePassed,
    Dispatch,
    End,
    Fact,
    InputReady,
    InputRejected,
    News,
    Preparation,
    Rendering,
    Settle,
    SettlementDue,
)
from job_orchestrator.domain.job import (
    CANCELLED_BY_OWNER,
    CONSENT_WITHDRAWN,
    DEADLINE_PASSED,
    NOT_AT_VENDOR,
    OPEN,
    Item,
    Job,
    Phase,
    Reason,
    Step,
)

Change = tuple[Job, tuple[News, ...]]


def apply(job: Job, fact: Fact) -> Change:
    """The job after `fact`, its version one higher if anything changed, and what is to be told."""
    if job.phase not in OPEN:
        return _unchanged(job)
    after, news = _apply(job, fact)
    return _unchanged(job) if after == job else (replace(after, version=job.version + 1), news)


def _apply(job: Job, fact: Fact) -> Change:
    match fact:
        case InputReady() | InputRejected() | CreditsHeld() | CreditsDenied():
            return _prepare(job, fact)
        case AttemptStarted() | AttemptSucceeded() | AttemptFailed():
            return _render(job, fact) if job.awaits(fact.item, fact.attempt) else _unchanged(job)
        case ConsentWithdrawn(at):
            return _withdraw(job, at)
        case CancelRequested():
            return _stop(job, CANCELLED_BY_OWNER)
        case SettlementDue():
            return _end(job, Phase.CANCELLED, job.stopping) if job.stopping else _unchanged(job)
        case DeadlinePassed():
            return _end(job, Phase.EXPIRED, DEADLINE_PASSED)
        case _:
            assert_never(fact)


def _prepare(job: Job, fact: Preparation) -> Change:
    match fact:
        case InputReady(upload_id):
            known = {upload_id} & {each.upload_id for each in job.inputs}
            return _dispatch_if_ready(replace(job, ready=job.ready | known))
        case CreditsHeld():
            return _dispatch_if_ready(replace(job, held=True))
        case InputRejected(upload_id, reason):
            return _reject(job, upload_id, reason) if upload_id in job.missing else _unchanged(job)
        case CreditsDenied(reason):
            return _unchanged(job) if job.held else _end(job, Phase.FAILED, reason)
        case _:
            assert_never(fact)


def _reject(job: Job, upload_id: str, reason: Reason) -> Change:
    """The items that need this input fail; the others go on."""
    for each in job.inputs:
        item = job.items[each.item]
        if each.upload_id == upload_id and item.step is Step.WAITING:
            blamed = reason.blaming(each.role, each.item if len(job.items) > 1 else None)
            job = _with(job, each.item, replace(item, step=Step.FAILED, reason=blamed))
    if all(item.step is Step.FAILED for item in job.items):
        return _fail(job)
    return _dispatch_if_ready(job)


def _render(job: Job, fact: Rendering) -> Change:
    item = job.items[fact.item]
    match fact:
        case AttemptStarted():
            return _move(job, fact.item, replace(item, step=Step.RUNNING))
        case AttemptSucceeded(vendor_ms=vendor_ms):
            return _move(job, fact.item, replace(item, step=Step.SUCCEEDED, vendor_ms=item.vendor_ms + vendor_ms))
        case AttemptFailed(vendor_ms=vendor_ms, reason=reason, retryable=retryable):
            spent = _with(job, fact.item, replace(item, vendor_ms=item.vendor_ms + vendor_ms))
            ended = replace(spent.items[fact.item], step=Step.FAILED, reason=reason)
            if not retryable or item.attempt == job.max_attempts or job.stopping:
                return _move(spent, fact.item, ended)
            if not job.consented:
                return _stop(_with(spent, fact.item, ended), CONSENT_WITHDRAWN)
            return _dispatch(spent, fact.item)
        case _:
            assert_never(fact)


def _stop(job: Job, reason: Reason) -> Change:
    # What the vendor has begun is paid: of work on its way to it that is not known yet.
    if not job.is_on_its_way:
        return _end(job, Phase.CANCELLED, reason)
    return (job, ()) if job.stopping else (replace(job, stopping=reason), (Settle(),))


def _withdraw(job: Job, at: datetime) -> Change:
    told = replace(job, withdrawn_at=max(at, job.withdrawn_at or at))
    # What the vendor already works on is not called back: its result is stored, and can be erased.
    stops = not told.consented and job.phase in NOT_AT_VENDOR
    return _stop(told, CONSENT_WITHDRAWN) if stops and not job.stopping else _unchanged(job)


def _dispatch_if_ready(job: Job) -> Change:
    ready = job.phase is Phase.ACCEPTED and job.held and not job.missing
    waiting = (number for number, item in enumerate(job.items) if item.step is Step.WAITING)
    return _dispatch(job, *waiting) if ready else (job, ())


def _dispatch(job: Job, *numbers: int) -> Change:
    """The next attempt at each of these items."""
    if not job.consented:
        return _stop(job, CONSENT_WITHDRAWN)
    for number in numbers:
        job = _with(
            job, number, replace(job.items[number], step=Step.DISPATCHED, attempt=job.items[number].attempt + 1)
        )
    dispatches = tuple(Dispatch(number, job.items[number].attempt) for number in numbers)
    return replace(job, phase=Phase.DISPATCHED), dispatches


def _move(job: Job, number: int, item: Item) -> Change:
    """The job with the item as it is now; ended, if this was the last one."""
    job = _with(job, number, item)
    steps = {item.step for item in job.items}
    if Step.DISPATCHED in steps:
        return job, ()
    if job.stopping:
        return _end(job, Phase.CANCELLED, job.stopping)
    if Step.RUNNING in steps:
        return replace(job, phase=Phase.RUNNING), ()
    if Step.SUCCEEDED in steps:
        return replace(job, phase=Phase.COMPLETED), (Complete(),)
    return _fail(job)


def _fail(job: Job) -> Change:
    """Nothing was made: the reason of the first item is the job's."""
    return _end(job, Phase.FAILED, next(item.reason for item in job.items if item.reason))


def _with(job: Job, number: int, item: Item) -> Job:
    return replace(job, items=(*job.items[:number], item, *job.items[number + 1 :]))


def _end(job: Job, phase: Phase, reason: Reason) -> Change:
    return replace(job, phase=phase), (End(phase, reason),)


def _unchanged(job: Job) -> Change:
    return job, ()
