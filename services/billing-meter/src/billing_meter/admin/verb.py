"""The shape of an operator's verb and of its answer."""

from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, assert_never

from closet_messaging.transaction import Tx

from billing_meter.admin.options import Option
from billing_meter.domain.outcomes import (
    AdjustmentOutcome,
    DrawOutcome,
    ReceiptOutcome,
    RefundOutcome,
    ReserveOutcome,
    SettlementOutcome,
)


class VerbOutcome(StrEnum):
    """What became of a verb that moves no credits."""

    ADDED = "added"
    KNOWN = "known"
    QUEUED = "queued"
    REBUILT = "rebuilt"
    SET = "set"
    MISSING = "missing"
    REFUSED = "refused"


Outcome = (
    VerbOutcome | ReceiptOutcome | RefundOutcome | AdjustmentOutcome | ReserveOutcome | DrawOutcome | SettlementOutcome
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a verb, and what is printed beside it."""

    outcome: Outcome
    fields: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what is printed."""
        return {"outcome": self.outcome.name.lower(), **self.fields}


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of the command line, done in one transaction; its answer is printed."""

    help: str
    options: tuple[Option, ...]
    run: Callable[[Tx, Namespace], Awaitable[Answer]]


def is_done(outcome: Outcome) -> bool:
    """Return True if what the operator asked for is so, now or from before."""
    match outcome:
        case (
            VerbOutcome.ADDED
            | VerbOutcome.KNOWN
            | VerbOutcome.QUEUED
            | VerbOutcome.REBUILT
            | VerbOutcome.SET
            | ReceiptOutcome.GRANTED
            | ReceiptOutcome.KNOWN
            | RefundOutcome.REFUNDED
            | RefundOutcome.KNOWN
            | AdjustmentOutcome.ADJUSTED
            | AdjustmentOutcome.KNOWN
            | ReserveOutcome.RESERVED
            | ReserveOutcome.KNOWN
            | DrawOutcome.HELD
            | DrawOutcome.KNOWN
            | SettlementOutcome.SETTLED
            | SettlementOutcome.KNOWN
        ):
            return True
        case (
            VerbOutcome.MISSING
            | VerbOutcome.REFUSED
            | ReceiptOutcome.REFUSED
            | RefundOutcome.REFUSED
            | AdjustmentOutcome.REFUSED
            | ReserveOutcome.DENIED
            | ReserveOutcome.SUSPENDED
            | ReserveOutcome.REFUSED
            | DrawOutcome.DENIED
            | DrawOutcome.MISSING
            | SettlementOutcome.MISSING
        ):
            return False
        case _:
            assert_never(outcome)
