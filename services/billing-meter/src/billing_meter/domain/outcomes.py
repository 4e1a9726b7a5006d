"""What may become of a movement of credits; the values are those that the ledger's functions answer."""

from enum import StrEnum


class ReceiptOutcome(StrEnum):
    """What became of credits that came in."""

    GRANTED = "granted"
    KNOWN = "known"
    """The receipt was booked so before."""
    REFUSED = "refused"
    """The receipt was booked for something else."""


class HoldOutcome(StrEnum):
    """What became of setting a job's price aside."""

    HELD = "held"
    DENIED = "denied"
    """Not enough is available."""
    SUSPENDED = "suspended"
    """A payment is overdue: nothing is held for this wallet."""
    KNOWN = "known"
    """It was decided before."""


class CaptureOutcome(StrEnum):
    """What became of charging a job to its hold."""

    CAPTURED = "captured"
    KNOWN = "known"
    LOST = "lost"
    """Nothing is held any more; the loss is noted once."""
    MISSING = "missing"
    """No hold was ever asked for."""


class ReleaseOutcome(StrEnum):
    """What became of giving a hold back."""

    RELEASED = "released"
    KNOWN = "known"
    VOIDED = "barred"
    """There was no hold yet, and there will be none."""


class RefundOutcome(StrEnum):
    """What became of returning credits of a charged job."""

    REFUNDED = "refunded"
    KNOWN = "known"
    """This number was booked before."""
    REFUSED = "refused"
    """The job is unknown, or its charge was smaller."""


class AdjustmentOutcome(StrEnum):
    """What became of a correction by hand."""

    ADJUSTED = "adjusted"
    KNOWN = "known"
    REFUSED = "refused"
    """That much is not available."""


class ReversalOutcome(StrEnum):
    """What became of taking back credits whose money went back."""

    REVERSED = "reversed"
    KNOWN = "known"


class ReinstatementOutcome(StrEnum):
    """What became of returning reversed credits."""

    REINSTATED = "reinstated"
    KNOWN = "known"


class ExpiryOutcome(StrEnum):
    """What became of promotions at the end of their time."""

    EXPIRED = "expired"
    KNOWN = "known"
    """No promotion of the wallet has expired."""


class ReserveOutcome(StrEnum):
    """What became of setting a reserve aside for offline work."""

    RESERVED = "promised"
    DENIED = "denied"
    SUSPENDED = "suspended"
    KNOWN = "known"
    REFUSED = "refused"
    """The id stands for another reserve."""


class DrawOutcome(StrEnum):
    """What became of holding a job's price out of a reserve."""

    HELD = "held"
    DENIED = "denied"
    """Less is left of the reserve, or it has ended."""
    KNOWN = "known"
    MISSING = "missing"
    """The reserve is unknown."""


class SettlementOutcome(StrEnum):
    """What became of ending a reserve."""

    SETTLED = "settled"
    KNOWN = "known"
    MISSING = "missing"
