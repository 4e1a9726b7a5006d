"""Dunning, repetitions, refunds and disputes, and which events of Stripe's matter."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

REPEATABLE_FOR = timedelta(hours=23)
"""Stripe keeps idempotency keys and the identifiers of usage for a day at least."""
USAGE_ACCEPTED_FOR = timedelta(days=35)
REPEAT_REJECTED_AFTER = timedelta(hours=1)

_FIRST_RETRY_S = 1.0
_LAST_RETRY_S = 3600.0
_OVERDUE = frozenset({"past_due", "unpaid"})
_FAILED_REFUND = frozenset({"failed", "canceled"})
_HARMLESS_DISPUTE = frozenset({"won", "prevented"})
_HOPELESS = frozenset({"timestamp_too_far_in_past", "timestamp_in_future", "meter_event_invalid_value"})


class WorkKind(StrEnum):
    """What there is to do with Stripe."""

    EVENT = "event"
    """Look up what an event is about."""
    CHECKOUT = "checkout"
    PAYMENT = "payment"
    """Charge an automatic top-up."""
    METHOD = "method"
    """Remember the payment method of a top-up."""
    SUBSCRIPTION = "subscription"
    REFUND = "refund"
    CREDIT_NOTE = "credit_note"
    USAGE = "usage"


class WorkState(StrEnum):
    """How a work item stands."""

    DUE = "due"
    DONE = "done"
    FAILED = "failed"
    AMBIGUOUS = "doubtful"
    """Stripe may have done it and would not recognise a repetition any more: a person looks."""
    IGNORED = "ignored"


class TopupState(StrEnum):
    """How a purchase of credits stands."""

    OPEN = "open"
    PAID = "paid"
    FAILED = "failed"


class DunningState(StrEnum):
    """How a tenant stands with its payments."""

    CURRENT = "current"
    OVERDUE = "overdue"
    """Work goes on for some days."""
    SUSPENDED = "suspended"


class EventSubject(StrEnum):
    """The kind of object that an event is about, which is looked up at Stripe."""

    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    CHECKOUT = "checkout"
    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"
    USAGE_ERRORS = "usage_errors"


SUBJECT_OF_EVENT = {
    "customer.subscription.created": EventSubject.SUBSCRIPTION,
    "customer.subscription.updated": EventSubject.SUBSCRIPTION,
    "customer.subscription.deleted": EventSubject.SUBSCRIPTION,
    "invoice.paid": EventSubject.INVOICE,
    "invoice.payment_succeeded": EventSubject.INVOICE,
    "invoice.payment_failed": EventSubject.INVOICE,
    "checkout.session.completed": EventSubject.CHECKOUT,
    "checkout.session.async_payment_succeeded": EventSubject.CHECKOUT,
    "charge.refunded": EventSubject.CHARGE,
    "charge.refund.updated": EventSubject.REFUND,
    "refund.created": EventSubject.REFUND,
    "refund.updated": EventSubject.REFUND,
    "refund.failed": EventSubject.REFUND,
    "charge.dispute.created": EventSubject.DISPUTE,
    "charge.dispute.updated": EventSubject.DISPUTE,
    "charge.dispute.closed": EventSubject.DISPUTE,
    "charge.dispute.funds_withdrawn": EventSubject.DISPUTE,
    "charge.dispute.funds_reinstated": EventSubject.DISPUTE,
    "v1.billing.meter.error_report_triggered": EventSubject.USAGE_ERRORS,
}
"""What each type of event is about. Events of other types are stored and ignored."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it stands now."""

    subscription_id: str
    customer_id: str
    status: str
    price_id: str | None


def is_overdue(status: str) -> bool:
    """Return True if a subscription of that status waits for a payment that failed."""
    return status in _OVERDUE


def suspended_from(status: str, overdue_since: datetime | None, grace: timedelta) -> datetime | None:
    """Return from when nothing new is held: days after the payment failed, or at once where Stripe has given up."""
    if overdue_since is None or not is_overdue(status):
        return None
    return overdue_since if status == "unpaid" else overdue_since + grace


def dunning_state(suspended: datetime | None, now: datetime) -> DunningState:
    """Return how a tenant stands that is suspended from that time on; None: it owes nothing."""
    if suspended is None:
        return DunningState.CURRENT
    return DunningState.SUSPENDED if suspended <= now else DunningState.OVERDUE


def retry_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts."""
    return timedelta(seconds=min(_FIRST_RETRY_S * 2.0 ** (attempts - 1), _LAST_RETRY_S))


def is_worth_repeating(code: str, used_at: datetime, now: datetime) -> bool:
    """Return True if usage that Stripe rejected may become usable, and is still accepted then."""
    return code not in _HOPELESS and now + REPEAT_REJECTED_AFTER < used_at + USAGE_ACCEPTED_FOR


def is_refunded(status: str | None) -> bool:
    """Return True if the payer has, or is about to have, the money of a refund of that status."""
    return status not in _FAILED_REFUND


def is_withdrawn(status: str) -> bool:
    """Return True if a dispute of that status has taken its money from us. An inquiry (`warning_`) takes none."""
    return status not in _HARMLESS_DISPUTE and not status.startswith("warning_")


def credits_returned(credits: int, amount: int, returned: int) -> int:
    """Return how many of a payment's credits go when so much of its money went back; part credits stay."""
    return credits * min(returned, amount) // amount
