"""What a job may cost, how long its money stays set aside, and what a person is told. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from closet_contracts.credit import Chargeable, Price, PriceBook, Unpriceable, price


@dataclass(frozen=True, slots=True)
class Denial:
    """Why credits could not be held: a stable code, and a sentence for a person."""

    code: str
    message: str


class Grant(NamedTuple):
    """Credits that were paid for or given; a receipt is booked once."""

    tenant_id: str
    credits: int
    receipt: str
    actor: str
    reason: str | None = None


class Hold(NamedTuple):
    """A job's price, to be set aside."""

    job_id: str
    tenant_id: str
    credits: int
    expires_at: datetime
    traceparent: str | None = None


PRICE_CHANGED = Denial("price_changed", "The price of this has changed. Please ask for a new estimate.")


def insufficient(required: int, available: int) -> Denial:
    """The account does not cover the price."""
    return Denial("insufficient_credits", f"This costs {required} credits, and {available} are available.")


def is_agreed(book: PriceBook | None, item: Chargeable, agreed: Price) -> bool:
    """Whether the price that was agreed to is what the book it names says of the item."""
    try:
        return book is not None and price(book, item) == agreed
    except Unpriceable:
        return False


def hold_expiry(now: datetime, deadline: datetime, ttl: timedelta) -> datetime:
    """When an unsettled hold is given back: the job has ended by its deadline, and news of it may be late by `ttl`."""
    return max(now, deadline) + ttl


def account_of(tenant_id: str) -> str:
    """The account that a tenant's jobs are paid from."""
    return f"tenant:{tenant_id}"


def describe(item: Chargeable, quoted: Price) -> str:
    """A quote in words."""
    count = f"{item.units} x " if item.units > 1 else ""
    return f"{count}{item.kind}: {quoted.credits} credits (${quoted.usd_cents // 100}.{quoted.usd_cents % 100:02d})"
