"""Orders in doubt: their answer was lost, so nobody knows whether the task exists.

A task carries nothing of ours, so a task that turns up can be told to be a doubtful order's only if no other order
could have made it. One person's picture must never reach another: where two are possible, neither is taken.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perfect_adapter.domain.account import Charge

LOOK_FIRST_S = 2.0
LOOK_LONGEST_S = 30.0
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
    """A task of which no order is known; `verdict` tells whether it is of the doubtful order's key and kind."""

    task_id: str
    verdict: Verdict


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
class Undecidable:
    """Several orders or several tasks fit: whose is whose cannot be told."""


@dataclass(frozen=True, slots=True)
class NoTrace:
    """The account was searched after the last moment at which it could have been carried out: it was not."""


Step = Adopt | LookAt | ReadHistory | Undecidable | NoTrace


def next_step(strays: Collection[Stray], rivals: int) -> Step:
    """What to do about a doubtful order; `rivals` are other orders that any of the strays may have come from."""
    for stray in strays:
        if stray.verdict is Verdict.UNKNOWN:
            return LookAt(stray.task_id)
    ours = [stray.task_id for stray in strays if stray.verdict is Verdict.OURS]
    if not ours:
        return ReadHistory()
    return Adopt(ours[0]) if len(ours) == 1 and not rivals else Undecidable()


def goes_on(charges: Collection[Charge], asked_at: datetime | None) -> bool:
    """Whether a page of the history, the newest first, does not yet reach back to when the order was made."""
    if not charges or asked_at is None:
        return False
    return min(charge.at for charge in charges) > asked_at - timedelta(seconds=CLOCKS_DIFFER_S)


def look_again_in_s(looks: int) -> float:
    """Seconds until the history is read again, after so many times."""
    return min(LOOK_FIRST_S * 2.0 ** min(looks, 10), LOOK_LONGEST_S)
