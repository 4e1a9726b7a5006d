"""What is asked, and whether it can be taken on: whose inputs, what consent, which price, how long a wait."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from closet_chassis.problems import Problem
from closet_contracts.credit import Price, Unpriceable, price
from closet_contracts.generation import Input, Priority
from closet_contracts.ids import new_id
from closet_contracts.work import Work, tasks_of
from opentelemetry import context as tracing

from kiosk_gateway.domain.access import account_of
from kiosk_gateway.domain.refusals import (
    CONSENT_REQUIRED,
    INPUT_NOT_FOUND,
    INSUFFICIENT_CREDITS,
    QUOTE_EXPIRED,
    QUOTE_MISMATCH,
    QUOTE_NOT_FOUND,
    UNAVAILABLE,
    UNPRICEABLE,
)
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.store.idempotency import Answer, Key
from kiosk_gateway.store.intake import Known, Person
from kiosk_gateway.store.quotes import QuoteName


@dataclass(frozen=True, slots=True)
class Asked:
    """Work that a client asks for, with the trace of its request."""

    tenant: str
    user: str
    work: Work
    inputs: tuple[Input, ...]
    key: Key | None
    quote_id: str | None = None
    priority: Priority = Priority.INTERACTIVE
    job_id: str = field(default_factory=lambda: new_id("job"))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    trace: tracing.Context = field(default_factory=tracing.get_current)

    @property
    def person(self) -> Person:
        """Who asks."""
        return self.tenant, self.user

    @property
    def quote(self) -> QuoteName | None:
        """The quote that it is to be priced by."""
        return (*self.person, self.quote_id) if self.quote_id else None

    @property
    def items(self) -> int:
        """How many tasks it is."""
        return len(tasks_of(self.work))


@dataclass(frozen=True, slots=True)
class Offer:
    """A request that can be taken on: what it costs, and since when its person consents, if they have to."""

    asked: Asked
    price: Price
    consent_given_at: datetime | None
    estimated_s: int

    @property
    def answer(self) -> Answer:
        """What the client is told, now and whenever it asks again."""
        return {
            "jobId": self.asked.job_id,
            "estimatedTime": self.estimated_s,
            "credits": self.price.credits,
            "usdCents": self.price.usd_cents,
        }


def entitled(asked: Asked, known: Known) -> Problem | None:
    """Why this person may not have this made of these inputs."""
    if any(known.owners.get(each.upload_id) != asked.person for each in asked.inputs):
        return refuse(INPUT_NOT_FOUND)
    # Pictures show persons, words do not.
    if asked.inputs and asked.person not in known.consents:
        return refuse(CONSENT_REQUIRED)
    return None


def priced(asked: Asked, known: Known) -> Price | Problem:
    """What it costs, by the quote that is named or by the book; of what the account surely has."""
    cost = _quoted(asked, known) if asked.quote else _by_the_book(asked, known)
    if isinstance(cost, Problem):
        return cost
    # Of an account that nothing was heard of, billing-meter knows better.
    covered = known.available.get(account_of(asked.tenant), cost.credits) >= cost.credits
    return cost if covered else refuse(INSUFFICIENT_CREDITS)


def _quoted(asked: Asked, known: Known) -> Price | Problem:
    quote = known.quotes.get(asked.quote) if asked.quote else None
    if quote is None:
        return refuse(QUOTE_NOT_FOUND)
    if quote.expires_at <= asked.at:
        return refuse(QUOTE_EXPIRED)
    return quote.price if quote.item == asked.work.chargeable() else refuse(QUOTE_MISMATCH)


def _by_the_book(asked: Asked, known: Known) -> Price | Problem:
    if known.book is None:
        return refuse(UNAVAILABLE)
    try:
        return price(known.book.of(asked.tenant), asked.work.chargeable())
    except Unpriceable:
        return refuse(UNPRICEABLE)
