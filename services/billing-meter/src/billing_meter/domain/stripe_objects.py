"""Stripe's objects as the rest of the service sees them, and how a call to Stripe may fail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from billing_meter.domain.stripe import Subscription


class StripeRefused(Exception):
    """Stripe understood and will not do it; nothing was done."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class StripeUnavailable(Exception):
    """No usable answer, or not now. It may have been done: repeated with the same key it is done once."""


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """An event, its type, and the object that it is about, which is looked up at Stripe; `content` is a copy to store.

    Some objects have no id: a preview of an invoice, a balance.
    """

    event_id: str
    type: str
    object_id: str | None
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as it stands now; `reason` says why there is one (`subscription_cycle`)."""

    invoice_id: str
    customer_id: str
    is_paid: bool
    reason: str | None
    subscription_id: str | None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A page where a top-up is paid."""

    checkout_id: str
    topup_id: str | None
    url: str | None
    is_paid: bool
    payment_id: str | None


@dataclass(frozen=True, slots=True)
class Purchase:
    """A top-up to be paid. By its key it is ordered once, however often that is tried."""

    key: str
    topup_id: str
    customer_id: str
    usd_cents: int


class PaymentState(StrEnum):
    """How a payment stands."""

    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    INCOMPLETE = "incomplete"
    """The payer has to do something, or it was cancelled."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it stands now, and the method it was made with; `status` is Stripe's own word."""

    payment_id: str
    state: PaymentState
    status: str
    method_id: str | None


@dataclass(frozen=True, slots=True)
class RefundedCharge:
    """How much of a charge, in all, is refunded or disputed as it stands now. The charge may be a top-up's."""

    charge_id: str
    payment_id: str | None
    topup_id: str | None
    amount: int
    returned: int


@dataclass(frozen=True, slots=True)
class UsageError:
    """Usage that Stripe had taken and could not use."""

    usage_id: str
    code: str


@dataclass(frozen=True, slots=True)
class UsageErrors:
    """A report of usage that Stripe could not use."""

    errors: Sequence[UsageError]


@dataclass(frozen=True, slots=True)
class Usage:
    """Credits that a customer used."""

    usage_id: str
    customer_id: str
    credits: int
    at: datetime


StripeObject = Subscription | Invoice | Checkout | RefundedCharge | UsageErrors
"""What an event of Stripe's may lead to when its object is looked up."""
