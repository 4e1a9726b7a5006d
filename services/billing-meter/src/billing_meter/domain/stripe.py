"""Dunning, and how long Stripe knows a repetition."""

from dataclasses import dataclass
from datetime import datetime, timedelta

REPEATABLE_FOR = timedelta(hours=23)
"""Stripe keeps idempotency keys and the identifiers of usage for a day at least."""
USAGE_ACCEPTED_FOR = timedelta(days=35)
REPEAT_REJECTED_AFTER = timedelta(hours=1)

_FIRST_RETRY_S = 1.0
_LAST_RETRY_S = 3600.0
_OVERDUE = frozenset({"past_due", "unpaid"})
_UNDONE_REFUND = frozenset({"failed", "canceled"})
_HARMLESS_DISPUTE = frozenset({"won", "prevented"})
_HOPELESS = frozenset({"timestamp_too_far_in_past", "timestamp_in_future", "meter_event_invalid_value"})


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it stands now."""

    subscription_id: str
    customer_id: str
    status: str
    price_id: str | None


def is_overdue(status: str) -> bool:
    """Whether a subscription of that status waits for a payment that failed."""
    return status in _OVERDUE


def suspended_from(status: str, overdue_since: datetime | None, grace: timedelta) -> datetime | None:
    """From when nothing new is held: some days after the payment failed, or at once where Stripe has given up."""
    if overdue_since is None or not is_overdue(status):
        return None
    return overdue_since if status == "unpaid" else overdue_since + grace


def dunning_state(suspended: datetime | None, now: datetime) -> str:
    """`current`, `overdue` (work goes on for some days), or `suspended`."""
    if suspended is None:
        return "current"
    return "suspended" if suspended <= now else "overdue"


def retry_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts."""
    return timedelta(seconds=min(_FIRST_RETRY_S * 2.0 ** (attempts - 1), _LAST_RETRY_S))


def is_worth_repeating(code: str, used_at: datetime, now: datetime) -> bool:
    """Whether usage that Stripe could not use may become usable, and is still accepted then."""
    return code not in _HOPELESS and now + REPEAT_REJECTED_AFTER < used_at + USAGE_ACCEPTED_FOR


def is_refunded(status: str | None) -> bool:
    """Whether the payer has, or is about to have, the money of a refund of that status."""
    return status not in _UNDONE_REFUND


def is_withdrawn(status: str) -> bool:
    """Whether a dispute of that status has taken its money from us. An inquiry (`warning_`) takes none."""
    return status not in _HARMLESS_DISPUTE and not status.startswith("warning_")


def credits_back(credits: int, amount: int, back: int) -> int:
    """How many of a payment's credits go when so much of its money went back; part credits stay."""
    return credits * min(back, amount) // amount
