"""What a job looks like from outside, and what each fact changes about it.

Every change is monotonic: progress and attempts only grow, a job ends once. So facts may come late, twice or in
another order, and the job looks the same in the end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from closet_contracts.credit import CreditCaptured, CreditDenied, CreditHeld, CreditReleased
from closet_contracts.envelope import EventData
from closet_contracts.job import (
    ItemFailure,
    JobAccepted,
    JobCancelled,
    JobCompleted,
    JobDispatched,
    JobExpired,
    JobFailed,
)
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded, ResultFile
from closet_contracts.upload import UploadReady, UploadRejected


class Status(StrEnum):
    """Where a job stands. The last four are ends."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


ENDS = frozenset(Status) - {Status.QUEUED, Status.PROCESSING}
JobFact = (
    JobAccepted
    | JobDispatched
    | JobCompleted
    | JobFailed
    | JobCancelled
    | JobExpired
    | UploadReady
    | UploadRejected
    | CreditHeld
    | CreditDenied
    | CreditCaptured
    | CreditReleased
    | RenderStarted
    | RenderSucceeded
    | RenderFailed
)  # fmt: skip  one line per noun


@dataclass(frozen=True, slots=True)
class Change:
    """What a fact changes. None and 0 leave things as they are; `part` tells facts of one type and job apart.

    `started` and `made` count items. `code` says why something failed that is not the job. An end `is_presumed` if its
    owner has not told it. `progress` of a fact about one item is that of its share of the job.
    """

    part: str = ""
    status: Status | None = None
    progress: int = 0
    started: int = 0
    made: int = 0
    attempts: int = 0
    version: int = 0
    results: tuple[ResultFile, ...] | None = None
    failures: tuple[ItemFailure, ...] | None = None
    credits_charged: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    error_tip: str | None = None
    code: str | None = None
    is_presumed: bool = False

    @property
    def is_end(self) -> bool:
        """Whether the job is over."""
        return self.status in ENDS


def change_of(fact: JobFact) -> Change:
    """What `fact` changes about its job."""
    return _CHANGES[type(fact)](fact)


def _unfinished(fact: JobFailed | JobCancelled | JobExpired, status: Status) -> Change:
    return Change(
        status=status,
        attempts=fact.attempts,
        version=fact.version,
        error_code=fact.code,
        error_message=fact.message,
        error_tip=fact.tip,
    )


def _cancelled(fact: JobCancelled) -> Change:
    return replace(_unfinished(fact, Status.CANCELLED), results=fact.results or None, credits_charged=fact.credits)


def _attempt(fact: JobDispatched | RenderStarted | RenderSucceeded | RenderFailed) -> str:
    return f"{fact.item}.{fact.attempt}"


def _started(fact: RenderStarted) -> Change:
    first = fact.attempt == 1
    return Change(_attempt(fact), status=Status.PROCESSING, progress=30, started=int(first))


PRESUMED_EXPIRED = Change(
    status=Status.EXPIRED,
    error_code="deadline_passed",
    error_message="The picture was not ready in time. Nothing was charged; please try again.",
    is_presumed=True,
)
"""The end of a job that nobody has ended long after its deadline."""

# Progress is in percent: how much of the usual time has passed once the fact is known.
_CHANGES: Mapping[type[EventData], Callable[[Any], Change]] = {
    JobAccepted: lambda fact: Change(progress=5, version=fact.version),
    UploadReady: lambda fact: Change(part=fact.upload_id, progress=10),
    UploadRejected: lambda fact: Change(part=fact.upload_id, code=fact.code),
    CreditHeld: lambda _: Change(progress=10),
    CreditDenied: lambda fact: Change(code=fact.code),
    JobDispatched: lambda fact: Change(_attempt(fact), progress=20, attempts=fact.attempt, version=fact.version),
    RenderStarted: _started,
    RenderSucceeded: lambda fact: Change(_attempt(fact), progress=95, made=1),
    RenderFailed: lambda fact: Change(_attempt(fact), code=fact.code),
    JobCompleted: lambda fact: Change(
        status=Status.COMPLETED,
        progress=100,
        attempts=fact.attempts,
        version=fact.version,
        results=fact.results,
        failures=fact.failures,
    ),
    JobFailed: lambda fact: _unfinished(fact, Status.FAILED),
    JobCancelled: _cancelled,
    JobExpired: lambda fact: _unfinished(fact, Status.EXPIRED),
    CreditCaptured: lambda fact: Change(credits_charged=fact.credits),
    CreditReleased: lambda _: Change(),
}
