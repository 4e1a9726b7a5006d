"""What a job may cost, and what a person is told of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from closet_contracts.credit import Chargeable, Price, PriceBook, Unpriceable, price


@dataclass(frozen=True, slots=True)
class Denial:
    """Why credits could not be held: a stable code, and a sentence for a person."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class KeptQuote:
    """A quote that was given: to whom, for what, and until when its price holds."""

    tenant_id: str
    user_id: str
    item: Chargeable
    price: Price
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """A job, as far as its price depends on it. `price` is what its owner agreed to."""

    job_id: str
    tenant_id: str
    user_id: str
    item: Chargeable
    price: Price

    @property
    def asked_at(self) -> datetime:
        """When it was asked for: its id is made then, and is ordered by time (RFC 9562)."""
        milliseconds = UUID(hex=self.job_id.removeprefix("job_")).int >> 80
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


PRICE_CHANGED = Denial("price_changed", "The price of this has changed. Please ask for a new estimate.")
QUOTE_INVALID = Denial("quote_invalid", "This estimate does not hold for that any more. Please ask for a new one.")
PAYMENT_OVERDUE = Denial("payment_overdue", "A payment is overdue. Please settle it to go on.")


def insufficient(required: int, available: int) -> Denial:
    """The account does not cover the price."""
    return Denial("insufficient_credits", f"This costs {required} credits, and {available} are available.")


def refused_by_book(book: PriceBook | None, asked: Asked) -> Denial | None:
    """Why the agreed price is not what the book it names says of the item; None if it is."""
    try:
        agreed = book is not None and price(book.of(asked.tenant_id), asked.item) == asked.price
    except Unpriceable:
        agreed = False
    return None if agreed else PRICE_CHANGED


def refused_by_quote(quote: KeptQuote | None, asked: Asked) -> Denial | None:
    """Why the quote does not make the agreed price; None if it does, whatever the book says by now."""
    if quote is None or (quote.tenant_id, quote.user_id, quote.item) != (asked.tenant_id, asked.user_id, asked.item):
        return QUOTE_INVALID
    if asked.asked_at >= quote.expires_at:
        return QUOTE_INVALID
    return None if quote.price == asked.price else PRICE_CHANGED


def describe(item: Chargeable, quoted: Price) -> str:
    """A quote in words."""
    count = f"{item.units} x " if item.units > 1 else ""
    tier = f" ({item.variant}, {item.quantity})" if item.quantity else ""
    return (
        f"{count}{item.kind}{tier}: {quoted.credits} credits (${quoted.usd_cents // 100}.{quoted.usd_cents % 100:02d})"
    )
