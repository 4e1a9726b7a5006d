"""What a job may cost, why it is denied, and a quote in words."""

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
class StoredQuote:
    """A quote that was given: to whom, for what, and until when its price holds."""

    tenant_id: str
    user_id: str
    item: Chargeable
    price: Price
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PricedJob:
    """A job, as far as its price depends on it. `price` is what its owner agreed to."""

    job_id: str
    tenant_id: str
    user_id: str
    item: Chargeable
    price: Price

    @property
    def asked_at(self) -> datetime:
        """Return when it was asked for: its id is made then, and is ordered by time (RFC 9562)."""
        milliseconds = UUID(hex=self.job_id.removeprefix("job_")).int >> 80
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


PRICE_CHANGED = Denial("price_changed", "The price of this has changed. Please ask for a new estimate.")
QUOTE_INVALID = Denial("quote_invalid", "This estimate does not hold for that any more. Please ask for a new one.")
PAYMENT_OVERDUE = Denial("payment_overdue", "A payment is overdue. Please settle it to go on.")


def insufficient_credits(required: int, available: int) -> Denial:
    """Return the denial of a price that the account does not cover."""
    return Denial("insufficient_credits", f"This costs {required} credits, and {available} are available.")


def denial_by_book(book: PriceBook | None, job: PricedJob) -> Denial | None:
    """Return why the agreed price is not what the book it names says of the item; None if it is."""
    try:
        agreed = book is not None and price(book.of(job.tenant_id), job.item) == job.price
    except Unpriceable:
        agreed = False
    return None if agreed else PRICE_CHANGED


def denial_by_quote(quote: StoredQuote | None, job: PricedJob) -> Denial | None:
    """Return why the quote does not make the agreed price; None if it does, whatever the book says by now."""
    if quote is None or (quote.tenant_id, quote.user_id, quote.item) != (job.tenant_id, job.user_id, job.item):
        return QUOTE_INVALID
    if job.asked_at >= quote.expires_at:
        return QUOTE_INVALID
    return None if quote.price == job.price else PRICE_CHANGED


def describe(item: Chargeable, quoted: Price) -> str:
    """Return a quote in words."""
    count = f"{item.units} x " if item.units > 1 else ""
    tier = f" ({item.variant}, {item.quantity})" if item.quantity else ""
    return (
        f"{count}{item.kind}{tier}: {quoted.credits} credits (${quoted.usd_cents // 100}.{quoted.usd_cents % 100:02d})"
    )
