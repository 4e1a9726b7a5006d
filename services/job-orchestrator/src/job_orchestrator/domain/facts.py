"""What can happen to a job, and what is to be told of it."""

from dataclasses import dataclass
from datetime import datetime

from job_orchestrator.domain.job import Phase, Reason


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

    item: int
    attempt: int


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """The item's results are there."""

    item: int
    attempt: int
    vendor_ms: int


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt gave no result; `retryable` if another may be made without paying the vendor twice."""

    item: int
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


@dataclass(frozen=True, slots=True)
class SettlementDue:
    """Whatever is still on its way to the vendor is waited for no longer."""


Preparation = InputReady | InputRejected | CreditsHeld | CreditsDenied
Rendering = AttemptStarted | AttemptSucceeded | AttemptFailed
Fact = Preparation | Rendering | CancelRequested | ConsentWithdrawn | DeadlinePassed | SettlementDue


@dataclass(frozen=True, slots=True)
class Dispatch:
    """To be told: let this item be made."""

    item: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Complete:
    """To be told: the job ended with the results of at least one item."""


@dataclass(frozen=True, slots=True)
class End:
    """To be told: the job ended without all of its pictures."""

    phase: Phase
    reason: Reason


@dataclass(frozen=True, slots=True)
class Settle:
    """To be told: nothing more of it may be begun. It ends once it is known what was, or after a while."""


News = Dispatch | Complete | End | Settle
