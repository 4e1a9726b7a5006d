"""The state of a job and of its items. An item is one task at the vendor."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Phase(StrEnum):
    """The phase of a job. `running`: the vendor works on every item that has not ended. The last four are final."""

    ACCEPTED = "accepted"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN_PHASES = frozenset({Phase.ACCEPTED, Phase.DISPATCHED, Phase.RUNNING})
NOT_AT_VENDOR = frozenset({Phase.ACCEPTED, Phase.DISPATCHED})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is no picture: a stable code, a sentence for a person, and a tip for the next try.

    `role` is the role of the unusable input, if an input is the reason.
    """

    code: str
    message: str
    tip: str | None = None
    role: str | None = None

    def for_input(self, role: str, item: int | None) -> "Reason":
        """Return this reason with the input named in the message: its role and, if given, its item."""
        named = role if item is None else f"item {item}, {role}"
        return replace(self, message=f"{named.capitalize()}: {self.message}", role=role)


CANCELLED_BY_OWNER = Reason("cancelled", "You cancelled this picture.")
CONSENT_WITHDRAWN = Reason("consent_withdrawn", "Consent was withdrawn, so this picture was not made.")
DEADLINE_PASSED = Reason("deadline_passed", "The picture was not ready in time. Nothing was charged; please try again.")


@dataclass(frozen=True, slots=True)
class Input:
    """An upload and the role it has in an item. Several items may use the same upload."""

    item: int
    role: str
    upload_id: str


class ItemState(StrEnum):
    """The state of an item. The last two are final."""

    WAITING = "waiting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    """One task of a job. `reason`: why it failed."""

    state: ItemState = ItemState.WAITING
    attempt: int = 0
    vendor_ms: int = 0
    reason: Reason | None = None

    def is_current(self, attempt: int) -> bool:
        """Return whether this is the item's last attempt and has not ended, so that facts about it count."""
        return self.attempt == attempt and self.state in {ItemState.DISPATCHED, ItemState.RUNNING}


@dataclass(frozen=True, slots=True)
class Job:
    """The state that decides about a job.

    Args:
        consent_given_at: None if the job uses no photo of a person and so needs no consent.
        max_attempts: of each item.
        inputs: of all items.
        ready: ids of the uploads that were checked and can be used.
        items: one per task at the vendor.
        stop_reason: why the job was cancelled, while it is not known yet which attempts the vendor started.
        withdrawn_at: when the person last withdrew consent.
        phase: of the whole job.
        version: one higher with each change.
        has_hold: the price is held on the account.
    """

    consent_given_at: datetime | None
    max_attempts: int
    inputs: tuple[Input, ...] = ()
    ready: frozenset[str] = frozenset()
    items: tuple[Item, ...] = (Item(),)
    stop_reason: Reason | None = None
    withdrawn_at: datetime | None = None
    phase: Phase = Phase.ACCEPTED
    version: int = 1
    has_hold: bool = False

    @property
    def has_consent(self) -> bool:
        """Return whether the consent given for this job still stands. A later consent is for later jobs only."""
        given, withdrawn = self.consent_given_at, self.withdrawn_at
        return given is None or withdrawn is None or withdrawn < given

    @property
    def missing_inputs(self) -> frozenset[str]:
        """Return the ids of the uploads that items wait for."""
        wanted = {each.upload_id for each in self.inputs if self.items[each.item].state is ItemState.WAITING}
        return frozenset(wanted) - self.ready

    @property
    def has_dispatched_items(self) -> bool:
        """Return whether an item was dispatched and it is not known yet whether the vendor started it."""
        return any(item.state is ItemState.DISPATCHED for item in self.items)

    @property
    def attempt(self) -> int:
        """Return the highest number of attempts of any item."""
        return max((item.attempt for item in self.items), default=0)

    @property
    def vendor_ms(self) -> int:
        """Return how long the vendor worked on all items, in milliseconds."""
        return sum(item.vendor_ms for item in self.items)

    def is_current_attempt(self, number: int, attempt: int) -> bool:
        """Return whether facts about this attempt at item `number` count: it is current, and the job is open."""
        is_known = self.phase in OPEN_PHASES and number < len(self.items)
        return is_known and self.items[number].is_current(attempt)

    def is_unpaid_start(self, number: int, attempt: int) -> bool:
        """Return whether the job was cancelled or expired before it was known that this attempt had started."""
        is_known = self.phase in {Phase.CANCELLED, Phase.EXPIRED} and number < len(self.items)
        return is_known and self.items[number].attempt == attempt and self.items[number].state is ItemState.DISPATCHED

    def amount_due(self, price: int) -> int:
        """Return the part of `price` that is charged, in credits, rounded down: the share of the items that succeeded.

        A cancelled job also pays for the items that the vendor works on, since the vendor is paid for them. A job that
        failed or expired pays nothing.
        """
        paid = _PAID_STATES.get(self.phase, frozenset())
        return price * sum(item.state in paid for item in self.items) // max(1, len(self.items))


_PAID_STATES = {
    Phase.COMPLETED: frozenset({ItemState.SUCCEEDED}),
    Phase.CANCELLED: frozenset({ItemState.SUCCEEDED, ItemState.RUNNING}),
}
