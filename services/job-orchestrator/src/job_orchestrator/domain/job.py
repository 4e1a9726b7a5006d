"""What decides about a job: where it is, and how its items stand, each of which is one task at the vendor."""

from dataclasses import dataclass, replace
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
    """Why there is no picture: a stable code, a sentence for a person, and what they can do better.

    `role` is the part of the input that cannot be used, where it is an input's fault.
    """

    code: str
    message: str
    tip: str | None = None
    role: str | None = None

    def blaming(self, role: str, item: int | None) -> "Reason":
        """The same, naming the input: its role and, where there are several items, whose it is."""
        named = role if item is None else f"item {item}, {role}"
        return replace(self, message=f"{named.capitalize()}: {self.message}", role=role)


CANCELLED_BY_OWNER = Reason("cancelled", "You cancelled this picture.")
CONSENT_WITHDRAWN = Reason("consent_withdrawn", "Consent was withdrawn, so this picture was not made.")
DEADLINE_PASSED = Reason("deadline_passed", "The picture was not ready in time. Nothing was charged; please try again.")


@dataclass(frozen=True, slots=True)
class Input:
    """An upload in its part of an item. One upload may be an input of several items."""

    item: int
    role: str
    upload_id: str


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
    """What decides about a job. `ready` are the uploads that can be used; `withdrawn_at` is of its person.

    Without `consent_given_at` no person's photo goes in, and none was needed. `stopping` is why it was cancelled, while
    it is not known yet what the vendor has begun of it.
    """

    consent_given_at: datetime | None
    max_attempts: int  # of each item
    inputs: tuple[Input, ...] = ()
    ready: frozenset[str] = frozenset()
    items: tuple[Item, ...] = (Item(),)
    stopping: Reason | None = None
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
    def missing(self) -> frozenset[str]:
        """The uploads that items wait for."""
        wanted = {each.upload_id for each in self.inputs if self.items[each.item].step is Step.WAITING}
        return frozenset(wanted) - self.ready

    @property
    def is_on_its_way(self) -> bool:
        """Whether work was given out of which it is not known whether the vendor has begun it."""
        return any(item.step is Step.DISPATCHED for item in self.items)

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

    def is_unpaid(self, number: int, attempt: int) -> bool:
        """Whether the job ended, by its owner's wish or too late, before it was known that this attempt had begun."""
        gone = self.phase in {Phase.CANCELLED, Phase.EXPIRED} and number < len(self.items)
        return gone and self.items[number].attempt == attempt and self.items[number].step is Step.DISPATCHED

    def due(self, price: int) -> int:
        """What is paid of the price, rounded in the shopper's favour: the share of the items that succeeded.

        Of a job that was cancelled also that of the items that are at the vendor, who is paid for them. Of one that
        failed or expired, nothing.
        """
        paid = _PAID.get(self.phase, frozenset())
        return price * sum(item.step in paid for item in self.items) // max(1, len(self.items))


_PAID = {
    Phase.COMPLETED: frozenset({Step.SUCCEEDED}),
    Phase.CANCELLED: frozenset({Step.SUCCEEDED, Step.RUNNING}),
}
