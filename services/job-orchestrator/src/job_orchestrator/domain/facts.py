"""The facts that can change a job."""

from dataclasses import dataclass
from datetime import datetime

from job_orchestrator.domain.job import Reason


@dataclass(frozen=True, slots=True)
class InputReady:
    """An input was checked and can be used."""

    upload_id: str


@dataclass(frozen=True, slots=True)
class InputRejected:
    """An input was checked and cannot be used."""

    upload_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class CreditsHeld:
    """The price is held on the account."""


@dataclass(frozen=True, slots=True)
class CreditsDenied:
    """The price could not be held."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """The vendor accepted the task."""

    item: int
    attempt: int


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """The results of the item are stored."""

    item: int
    attempt: int
    vendor_ms: int


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt produced no result. `retryable`: another attempt does not pay the vendor twice."""

    item: int
    attempt: int
    vendor_ms: int
    reason: Reason
    retryable: bool


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The owner cancelled the job."""


@dataclass(frozen=True, slots=True)
class ConsentWithdrawn:
    """The person withdrew consent to the processing of their photo."""

    at: datetime


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The deadline of the job has passed."""


@dataclass(frozen=True, slots=True)
class SettlementDue:
    """The cancelled job has waited long enough to learn which attempts the vendor started."""


PreparationFact = InputReady | InputRejected | CreditsHeld | CreditsDenied
RenderFact = AttemptStarted | AttemptSucceeded | AttemptFailed
Fact = PreparationFact | RenderFact | CancelRequested | ConsentWithdrawn | DeadlinePassed | SettlementDue
