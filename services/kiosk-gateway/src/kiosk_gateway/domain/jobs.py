"""A job as clients see it, and the change that each fact makes to it.

Every change is monotonic: progress and attempts only grow, and a job ends once. Facts may therefore arrive late, twice
or in any order; the job looks the same in the end.
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
    """The status of a job. The last four are terminal."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


TERMINAL_STATUSES = frozenset(Status) - {Status.QUEUED, Status.PROCESSING}
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
    """The change that a fact makes to a job. None and 0 change nothing.

    Attributes:
        part: distinguishes facts of the same type about the same job: an upload, or an attempt (`item.attempt`).
        progress: percent; of the item's share of the job if the fact is about one item.
        started: number of items that have started at the vendor.
        succeeded: number of items that have succeeded.
        code: why something other than the job itself failed.
        is_presumed: the job's owner has not published this end.
    """

    part: str = ""
    status: Status | None = None
    progress: int = 0
    started: int = 0
    succeeded: int = 0
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
    def is_terminal(self) -> bool:
        """Return whether the job has ended."""
        return self.status in TERMINAL_STATUSES


def change_of(fact: JobFact) -> Change:
    """Return the change that a fact makes to its job."""
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
"""The end of a job whose deadline passed long ago and whose end was never published."""

# Progress is the share of the usual duration that has passed once the fact is known, in percent.
_CHANGES: Mapping[type[EventData], Callable[[Any], Change]] = {
    JobAccepted: lambda fact: Change(progress=5, version=fact.version),
    UploadReady: lambda fact: Change(part=fact.upload_id, progress=10),
    UploadRejected: lambda fact: Change(part=fact.upload_id, code=fact.code),
    CreditHeld: lambda _: Change(progress=10),
    CreditDenied: lambda fact: Change(code=fact.code),
    JobDispatched: lambda fact: Change(_attempt(fact), progress=20, attempts=fact.attempt, version=fact.version),
    RenderStarted: _started,
    RenderSucceeded: lambda fact: Change(_attempt(fact), progress=95, succeeded=1),
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
