"""What a transition asks for: each effect becomes an event."""

from dataclasses import dataclass

from job_orchestrator.domain.job import Phase, Reason


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Let the vendor work on this item."""

    item: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Completion:
    """The job ended, and at least one item has results."""


@dataclass(frozen=True, slots=True)
class End:
    """The job ended without completing."""

    phase: Phase
    reason: Reason


@dataclass(frozen=True, slots=True)
class StopRequest:
    """Let no further item start. The job ends once it is known which attempts started, or after a limited wait."""


Effect = Dispatch | Completion | End | StopRequest
