"""Orders in doubt: their answer was lost, so nobody knows whether the task exists.

A task carries nothing of ours, so a task that turns up can be told to be a doubtful order's only if no other order
could have made it. One person's picture must never reach another: where two are possible, neither is taken.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perfect_adapter.domain.account import Charge
from perfect_adapter.domain.backoff import Backoff

LOOK_FIRST_S = 2.0
AGAIN = Backoff(LOOK_FIRST_S, 60.0)
"""A task that may exist is looked for ever more seldom."""
# The vendor's clock and ours: what it says happened a little before the order was made may still be that order.
CLOCKS_DIFFER_S = 30.0


class Policy(StrEnum):
    """What is done about an order of which no trace was found in time."""

    GIVE_UP = "give_up"
    REPEAT = "repeat"


class Verdict(StrEnum):
    """What is known about whose a task is."""

    UNKNOWN = "unknown"
    OURS = "ours"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Stray:
    """A task of which no order is known; `verdict` tells whether it is of the doubtful order's key and kind.

    `seen_at`: when it was first told of or charged, by our clock.
    """

    task_id: str
    verdict: Verdict
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Rivals:
    """Other orders that any of the strays may have come from; of those `in_hand` the answer is still to come."""

    in_hand: int = 0
    others: int = 0

    def __bool__(self) -> bool:
        return self.in_hand + self.others > 0


@dataclass(frozen=True, slots=True)
class Adopt:
    """The task is the order's."""

    task_id: str


@dataclass(frozen=True, slots=True)
class LookAt:
    """Whether this task is of the order's key and kind is to be found out."""

    task_id: str


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Nothing is known yet: what has the account been charged for?"""


@dataclass(frozen=True, slots=True)
class NotYet:
    """An order in hand may have made it: once that one's answer is written, or lost, it can be told."""


@dataclass(frozen=True, slots=True)
class Undecidable:
    """Several orders or several tasks fit: whose is whose cannot be told."""


@dataclass(frozen=True, slots=True)
class NoTrace:
    """The account was searched after the last moment at which it could have been carried out: it was not."""


Step = Adopt | LookAt | ReadHistory | NotYet | Undecidable | NoTrace


def next_step(strays: Collection[Stray], rivals: Rivals) -> Step:
    """What to do about a doubtful order."""
    for stray in strays:
        if stray.verdict is Verdict.UNKNOWN:
            return LookAt(stray.task_id)
    ours = [stray.task_id for stray in strays if stray.verdict is Verdict.OURS]
    if not ours:
        return ReadHistory()
    if rivals.in_hand:
        return NotYet()
    return Adopt(ours[0]) if len(ours) == 1 and not rivals else Undecidable()


def may_be_made_until(strays: Collection[Stray]) -> datetime | None:
    """An order that was made later has made none of these."""
    seen = [stray.seen_at for stray in strays if stray.verdict is Verdict.OURS]
    return max(seen) + timedelta(seconds=CLOCKS_DIFFER_S) if seen else None


def goes_on(charges: Collection[Charge], asked_at: datetime | None) -> bool:
    """Whether a page of the history, the newest first, does not yet reach back to when the order was made."""
    if not charges or asked_at is None:
        return False
    return min(charge.at for charge in charges) > asked_at - timedelta(seconds=CLOCKS_DIFFER_S)
