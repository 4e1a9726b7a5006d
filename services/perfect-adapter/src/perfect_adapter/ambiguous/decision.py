"""Ambiguous orders: their answer was lost, so the task may or may not exist. Pure.

A task carries nothing of ours, so a task that turns up is an ambiguous order's only if no other order
could have made it. One person's picture must never reach another: where two are possible, neither is taken.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perfect_adapter.quota.backoff import Backoff
from perfect_adapter.vendor.answers import UnitCharge

SEARCH_PAUSES = Backoff(2.0, 60.0)
"""A task that may exist is searched for ever more seldom."""
# The vendor's clock and ours: what it says happened a little before the order was made may still be that order.
CLOCKS_DIFFER_S = 30.0


class AmbiguityAction(StrEnum):
    """What is done about an order whose task was not found in time."""

    GIVE_UP = "give_up"
    REPEAT = "repeat"


class Ownership(StrEnum):
    """Whether a task can be the ambiguous order's."""

    UNKNOWN = "unknown"
    OURS = "ours"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class UnmatchedTask:
    """A task of no known order; `ownership`: whether it is of the ambiguous order's key and path.

    `seen_at`: when a webhook or a charge first named it, by our clock.
    """

    task_id: str
    ownership: Ownership
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class CompetingOrders:
    """Other orders that may have made any of the unmatched tasks; those `in_hand` are not answered yet."""

    in_hand: int = 0
    others: int = 0

    def __bool__(self) -> bool:
        return self.in_hand + self.others > 0


@dataclass(frozen=True, slots=True)
class ClaimTask:
    """The task is the order's."""

    task_id: str


@dataclass(frozen=True, slots=True)
class CheckTask:
    """Poll this task, to learn whether it is of the order's key and path."""

    task_id: str


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """No task is known yet: read what the account was charged for."""


@dataclass(frozen=True, slots=True)
class AwaitCompetitor:
    """Wait: an order in hand may have made the task, until its answer is written or lost."""


@dataclass(frozen=True, slots=True)
class Undecidable:
    """Several orders or several tasks fit: none can be matched."""


@dataclass(frozen=True, slots=True)
class TaskNotFound:
    """The account was searched after the last moment at which the task could have started: it does not exist."""


Decision = ClaimTask | CheckTask | ReadHistory | AwaitCompetitor | Undecidable | TaskNotFound


def decide(unmatched: Collection[UnmatchedTask], competing: CompetingOrders) -> Decision:
    """Return what to do about an ambiguous order."""
    for task in unmatched:
        if task.ownership is Ownership.UNKNOWN:
            return CheckTask(task.task_id)
    ours = [task.task_id for task in unmatched if task.ownership is Ownership.OURS]
    if not ours:
        return ReadHistory()
    if competing.in_hand:
        return AwaitCompetitor()
    return ClaimTask(ours[0]) if len(ours) == 1 and not competing else Undecidable()


def latest_order_time(unmatched: Collection[UnmatchedTask]) -> datetime | None:
    """Return the latest time of an order that may have made any of these; None if none can be ours."""
    seen = [task.seen_at for task in unmatched if task.ownership is Ownership.OURS]
    return max(seen) + timedelta(seconds=CLOCKS_DIFFER_S) if seen else None


def has_older_charges(charges: Collection[UnitCharge], ordered_at: datetime | None) -> bool:
    """Return whether a page of the history, the newest first, does not reach back to the order yet."""
    if not charges or ordered_at is None:
        return False
    return min(charge.at for charge in charges) > ordered_at - timedelta(seconds=CLOCKS_DIFFER_S)
