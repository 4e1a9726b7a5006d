"""The life of one job: a fact comes in, the job after it and what is to be told go out. Pure.

A fact that is stale, repeated or too late changes nothing. A job ends exactly once.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never


class Phase(StrEnum):
    """Where a job is. The last four are ends."""

    ACCEPTED = "accepted"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN = frozenset({Phase.ACCEPTED, Phase.DISPATCHED, Phase.RUNNING})
NOT_AT_VENDOR = frozenset({Phase.ACCEPTED, Phase.DISPATCHED})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a job ended without a picture: a stable code, and a sentence for a person."""

    code: str
    message: str


CANCELLED_BY_OWNER = Reason("cancelled", "You cancelled this picture.")
CONSENT_WITHDRAWN = Reason("consent_withdrawn", "Consent was withdrawn, so this picture was not made.")
DEADLINE_PASSED = Reason("deadline_passed", "The picture was not ready in time. Nothing was charged; please try again.")


@dataclass(frozen=True, slots=True)
class Job:
    """What decides about a job. `missing` are the uploads not ready yet; `withdrawn_at` is of its person."""

    consent_given_at: datetime
    missing: frozenset[str]
    max_attempts: int
    withdrawn_at: datetime | None = None
    phase: Phase = Phase.ACCEPTED
    version: int = 1
    attempt: int = 0
    held: bool = False
    vendor_ms: int = 0

    @property
    def consented(self) -> bool:
        """Whether the consent that the job was asked under still stands. A later consent is for later jobs."""
        return self.withdrawn_at is None or self.withdrawn_at < self.consent_given_at


@dataclass(frozen=True, slots=True)
class InputReady:
    """An input can be used."""

    upload_id: str


@dataclass(frozen=True, slots=True)
class InputRejected:
    """An input cannot be used."""

    upload_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class CreditsHeld:
    """The price is set aside."""


@dataclass(frozen=True, slots=True)
class CreditsDenied:
    """The price could not be set aside."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """The vendor took the task."""

    attempt: int


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """The pictures are there."""

    attempt: int
    vendor_ms: int


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt gave no picture; `retryable` if another may be made without paying the vendor twice."""

    attempt: int
    vendor_ms: int
    reason: Reason
    retryable: bool


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The owner no longer wants it."""


@dataclass(frozen=True, slots=True)
class ConsentWithdrawn:
    """The person no longer allows their photo to be processed."""

    at: datetime


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """It is too late."""


Fact = (
    InputReady
    | InputRejected
    | CreditsHeld
    | CreditsDenied
    | AttemptStarted
    | AttemptSucceeded
    | AttemptFailed
    | CancelRequested
    | ConsentWithdrawn
    | DeadlinePassed
)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """To be told: make the picture."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Complete:
    """To be told: the job ended with its pictures."""


@dataclass(frozen=True, slots=True)
class End:
    """To be told: the job ended without a picture."""

    phase: Phase
    reason: Reason


News = Dispatch | Complete | End
Change = tuple[Job, News | None]


def apply(job: Job, fact: Fact) -> Change:
    """The job after `fact`, its version one higher if anything changed, and what is to be told."""
    if job.phase not in OPEN:
        return job, None
    after, news = _apply(job, fact)
    return (job, None) if after == job else (replace(after, version=job.version + 1), news)


def _apply(job: Job, fact: Fact) -> Change:
    match fact:
        case InputReady() | InputRejected() | CreditsHeld() | CreditsDenied():
            return _prepare(job, fact)
        case AttemptStarted() | AttemptSucceeded() | AttemptFailed():
            return _attempt(job, fact) if fact.attempt == job.attempt else (job, None)
        case ConsentWithdrawn(at):
            return _withdraw(job, at)
        case CancelRequested():
            return _end(job, Phase.CANCELLED, CANCELLED_BY_OWNER)
        case DeadlinePassed():
            return _end(job, Phase.EXPIRED, DEADLINE_PASSED)
        case _:
            assert_never(fact)


def _prepare(job: Job, fact: InputReady | InputRejected | CreditsHeld | CreditsDenied) -> Change:
    match fact:
        case InputReady(upload_id):
            return _dispatch_if_ready(replace(job, missing=job.missing - {upload_id}))
        case CreditsHeld():
            return _dispatch_if_ready(replace(job, held=True))
        case InputRejected(upload_id, reason):
            return _end(job, Phase.FAILED, reason) if upload_id in job.missing else (job, None)
        case CreditsDenied(reason):
            return (job, None) if job.held else _end(job, Phase.FAILED, reason)
        case _:
            assert_never(fact)


def _attempt(job: Job, fact: AttemptStarted | AttemptSucceeded | AttemptFailed) -> Change:
    match fact:
        case AttemptStarted():
            return replace(job, phase=Phase.RUNNING), None
        case AttemptSucceeded(vendor_ms=vendor_ms):
            return replace(job, phase=Phase.COMPLETED, vendor_ms=job.vendor_ms + vendor_ms), Complete()
        case AttemptFailed(vendor_ms=vendor_ms, reason=reason, retryable=retryable):
            spent = replace(job, vendor_ms=job.vendor_ms + vendor_ms)
            return (
                _dispatch(spent) if retryable and job.attempt < job.max_attempts else _end(spent, Phase.FAILED, reason)
            )
        case _:
            assert_never(fact)


def _withdraw(job: Job, at: datetime) -> Change:
    told = replace(job, withdrawn_at=max(at, job.withdrawn_at or at))
    # What the vendor already works on is not called back: its result is stored, and can be erased.
    stops = not told.consented and job.phase in NOT_AT_VENDOR
    return _end(told, Phase.CANCELLED, CONSENT_WITHDRAWN) if stops else (job, None)


def _dispatch_if_ready(job: Job) -> Change:
    ready = job.phase is Phase.ACCEPTED and job.held and not job.missing
    return _dispatch(job) if ready else (job, None)


def _dispatch(job: Job) -> Change:
    if not job.consented:
        return _end(job, Phase.CANCELLED, CONSENT_WITHDRAWN)
    attempt = job.attempt + 1
    return replace(job, phase=Phase.DISPATCHED, attempt=attempt), Dispatch(attempt)


def _end(job: Job, phase: Phase, reason: Reason) -> Change:
    return replace(job, phase=phase), End(phase, reason)
