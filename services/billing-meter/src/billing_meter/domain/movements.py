"""What moves credits, and what becomes of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple


class Receipt(NamedTuple):
    """Credits that come in, once per cause; `expires_at` is for a promotion, and only for that."""

    kind: Literal["grant", "topup", "subscription", "promotion"]
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
    """A job's price, to be set aside: `source` is a wallet, or the promise that it is drawn from."""

    job_id: str
    tenant_id: str
    source: str
    credits: int
    expires_at: datetime
    traceparent: str | None = None


class Promise(NamedTuple):
    """What a device may promise while it is offline."""

    promise_id: str
    tenant_id: str
    wallet: str
    credits: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Movement:
    """What became of a movement (`outcome`, `credits`), and the wallet after it."""

    outcome: str
    credits: int
    balance: int
    held: int
    version: int
    told_low: int | None
    low_at: Sequence[int]
    wallet: str

    @property
    def available(self) -> int:
        """What may be spent."""
        return self.balance - self.held


def wallet_of(tenant_id: str) -> str:
    """The wallet that a tenant's jobs are paid from."""
    return f"tenant:{tenant_id}"


def device_wallet(device_id: str) -> str:
    """A device's own prepaid wallet."""
    return f"device:{device_id}"


def hold_expiry(now: datetime, deadline: datetime, ttl: timedelta) -> datetime:
    """When an unsettled hold is given back: the job has ended by its deadline, and news of it may be late by `ttl`."""
    return max(now, deadline) + ttl


def threshold_above(thresholds: Iterable[int], available: int) -> int | None:
    """The lowest threshold that `available` is below; None if it is below none."""
    return min((one for one in thresholds if available < one), default=None)


def is_news(threshold: int | None, told: int | None) -> bool:
    """Whether that threshold is to be told of, after `told` was."""
    return threshold is not None and (told is None or threshold < told)
