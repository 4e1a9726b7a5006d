"""What decides about a job: where it is, and how its items stand, each of which is one task at the vendor."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Phase(StrEnum):
    """Where a job is. `running`: all that is not ended of it is at the vendor. The last four are ends."""

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
    """Why there is no picture: a stable code, a sentence for a person, and what they can do better."""

    code: str
    message: str
    tip: str | None = None


CANCELLED_BY_OWNER = Reason("cancelled", "You cancelled this picture.")
CONSENT_WITHDRAWN = Reason("consent_withdrawn", "Consent was withdrawn, so this picture was not made.")
DEADLINE_PASSED = Reason("deadline_passed", "The picture was not ready in time. Nothing was charged; please try again.")


class Step(StrEnum):
    """Where an item is."""

    WAITING = "waiting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    """One task of a job. `reason` is why it failed."""

    step: Step = Step.WAITING
    attempt: int = 0
    vendor_ms: int = 0
    reason: Reason | None = None

    def awaits(self, attempt: int) -> bool:
        """Whether news of this attempt counts: it is the one that was given out last, and has not ended."""
        return self.attempt == attempt and self.step in {Step.DISPATCHED, Step.RUNNING}


@dataclass(frozen=True, slots=True)
class Job:
    """What decides about a job. `missing` are the uploads not ready yet; `withdrawn_at` is of its person.

    Without `consent_given_at` no person's photo goes in, and none was needed.
    """

    consent_given_at: datetime | None
    missing: frozenset[str]
    max_attempts: int  # of each item
    items: tuple[Item, ...] = (Item(),)
    withdrawn_at: datetime | None = None
    phase: Phase = Phase.ACCEPTED
    version: int = 1
    held: bool = False

    @property
    def consented(self) -> bool:
        """Whether the consent that the job was asked under still stands. A later consent is for later jobs."""
        given, withdrawn = self.consent_given_at, self.withdrawn_at
        return given is None or withdrawn is None or withdrawn < given

    @property
    def attempt(self) -> int:
        """The most attempts of any item."""
        return max((item.attempt for item in self.items), default=0)

    @property
    def vendor_ms(self) -> int:
        """How long the vendor worked for it, all items together."""
        return sum(item.vendor_ms for item in self.items)

    def awaits(self, number: int, attempt: int) -> bool:
        """Whether news of this attempt at one of its items counts."""
        known = self.phase in OPEN and number < len(self.items)
        return known and self.items[number].awaits(attempt)

    def due(self, price: int) -> int:
        """What is paid of the price: the share of the items that succeeded, rounded in the shopper's favour."""
        succeeded = sum(item.step is Step.SUCCEEDED for item in self.items)
        return price * succeeded // len(self.items)
