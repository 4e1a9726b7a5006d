"""Movements of credits: what is asked for, and the wallet afterwards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

Outcome_co = TypeVar("Outcome_co", bound=StrEnum, covariant=True)


class ReceiptKind(StrEnum):
    """What credits that come in are booked as."""

    GRANT = "grant"
    TOPUP = "topup"
    SUBSCRIPTION = "subscription"
    PROMOTION = "promotion"


class Receipt(NamedTuple):
    """Credits that come in, once per cause; `expires_at` is for a promotion, and only for that."""

    kind: ReceiptKind
    cause: str
    tenant_id: str
    wallet: str
    credits: int
    actor: str
    reason: str | None = None
    expires_at: datetime | None = None


class Correction(NamedTuple):
    """Credits given back or put right by a person, once per number. `target`: a job's id, or a wallet."""

    number: str
    tenant_id: str
    target: str
    credits: int
    actor: str
    reason: str


class Reversal(NamedTuple):
    """Credits whose money went back to the payer."""

    cause: str
    tenant_id: str
    wallet: str
    credits: int
    reason: str


class Hold(NamedTuple):
    """A job's price, to be set aside; `source` is a wallet, or the id of the reserve that it is drawn from."""

    job_id: str
    tenant_id: str
    source: str
    credits: int
    expires_at: datetime
    traceparent: str | None = None


class OfflineReserve(NamedTuple):
    """Credits that a device may spend while it is offline."""

    reserve_id: str
    tenant_id: str
    wallet: str
    credits: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Movement(Generic[Outcome_co]):
    """What became of a movement (`outcome`, `credits`), and the wallet after it.

    Args:
        thresholds: below each of these the balance counts as low.
        notified_threshold: the lowest of them that was published since credits last came in.
    """

    outcome: Outcome_co
    credits: int
    balance: int
    held: int
    version: int
    wallet: str
    thresholds: Sequence[int]
    notified_threshold: int | None

    @property
    def available(self) -> int:
        """Return the credits that may be spent."""
        return self.balance - self.held


def wallet_of(tenant_id: str) -> str:
    """Return the wallet that a tenant's jobs are paid from."""
    return f"tenant:{tenant_id}"


def device_wallet(device_id: str) -> str:
    """Return a device's own prepaid wallet."""
    return f"device:{device_id}"


def hold_expiry(now: datetime, deadline: datetime, ttl: timedelta) -> datetime:
    """Return when an unsettled hold is given back: the job ends by its deadline, its event may be late by `ttl`."""
    return max(now, deadline) + ttl


def threshold_above(thresholds: Iterable[int], available: int) -> int | None:
    """Return the lowest threshold that `available` is below; None if it is below none."""
    return min((one for one in thresholds if available < one), default=None)


def is_notification_due(threshold: int | None, notified: int | None) -> bool:
    """Return True if a low balance is to be published at `threshold`, given the one that was `notified` before."""
    return threshold is not None and (notified is None or threshold < notified)
