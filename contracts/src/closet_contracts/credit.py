"""Credits: prices, holds and balances. Owned by billing-meter. Whole credits and whole cents, never floats."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from closet_contracts.envelope import EventData
from closet_contracts.ids import JobId, TenantId
from closet_contracts.model import Model

Kind = Literal["tryon", "text2img", "edit", "hairstyle", "skin-analysis", "batch"]
Credits = Annotated[int, Field(ge=0)]
PriceList = dict[Kind, Annotated[int, Field(gt=0)]]


class PriceBook(Model):
    """One version of the prices; what an estimate quotes and a hold takes comes from the same book.

    `overrides` are tenants' own prices, of the kinds for which they have one.
    """

    version: str
    credits: PriceList
    overrides: dict[TenantId, PriceList] = Field(default_factory=dict)
    high_resolution_above_pixels: Annotated[int, Field(gt=0)] = 1024 * 1024
    high_resolution_percent: Annotated[int, Field(ge=100)] = 150
    usd_cents_per_credit: Annotated[int, Field(gt=0)] = 10
    max_variants: Annotated[int, Field(gt=0)] = 8

    def of(self, tenant: str) -> Self:
        """The book as it is for that tenant; `price` takes it."""
        own = self.overrides.get(tenant)
        return self.model_copy(update={"credits": {**self.credits, **own}}) if own else self


class Plan(Model):
    """What a subscription gives: credits with each period that is paid, and rights."""

    name: str
    credits: Annotated[int, Field(gt=0)]
    entitlements: tuple[str, ...] = ()


class Chargeable(Model):
    """What a price depends on. `pixels` is 0 where no size was asked for; `units` counts variants or batch items.

    `pixels_each` says it for each of a batch's items, whose sizes may differ.
    """

    kind: Kind
    units: Annotated[int, Field(ge=1)] = 1
    pixels: Annotated[int, Field(ge=0)] = 0
    pixels_each: tuple[Annotated[int, Field(ge=0)], ...] = ()


class Price(Model):
    """A price and the book it comes from."""

    credits: Credits
    usd_cents: Annotated[int, Field(ge=0)]
    book_version: str


class Unpriceable(ValueError):
    """The book has no price for this; it is never guessed."""


def price(book: PriceBook, item: Chargeable) -> Price:
    """The price of `item` in whole credits, rounded up once, at the end.

    Raises:
        Unpriceable: the book does not know the kind, or the count is beyond what it sells.
    """
    if item.kind not in book.credits:
        raise Unpriceable(f"the price book has no price for {item.kind}")
    if item.kind != "batch" and item.units > book.max_variants:
        raise Unpriceable(f"at most {book.max_variants} variants can be priced")
    sizes = item.pixels_each or (item.pixels,) * item.units
    if len(sizes) != item.units:
        raise Unpriceable("there must be a size for each of the units")
    percent = sum(book.high_resolution_percent if size > book.high_resolution_above_pixels else 100 for size in sizes)
    credits = -(-book.credits[item.kind] * percent // 100)
    return Price(credits=credits, usd_cents=credits * book.usd_cents_per_credit, book_version=book.version)


class _OfJob(EventData):
    job_id: JobId

    def aggregate(self) -> str:
        return f"jobs/{self.job_id}"


class CreditHeld(_OfJob):
    """The job's price is set aside on the tenant's account."""

    TYPE: ClassVar[str] = "closet.credit.held.v1"
    account_id: str
    credits: Credits
    expires_at: datetime


class CreditDenied(_OfJob):
    """The job's price could not be set aside; `code` says why.

    It is `insufficient_credits`, `price_changed`, `quote_invalid` or `payment_overdue`.
    """

    TYPE: ClassVar[str] = "closet.credit.denied.v1"
    account_id: str
    code: str
    message: str
    required: Credits
    available: Credits


class CreditCaptured(_OfJob):
    """The job is paid for out of its hold."""

    TYPE: ClassVar[str] = "closet.credit.captured.v1"
    account_id: str
    credits: Credits


class CreditReleased(_OfJob):
    """What was held for the job is available again."""

    TYPE: ClassVar[str] = "closet.credit.released.v1"
    account_id: str
    credits: Credits
    reason: str


class CreditBalanceChanged(EventData):
    """An account's balance after a change; `version` grows with each, so that stale news can be told."""

    TYPE: ClassVar[str] = "closet.credit.balance_changed.v1"
    account_id: str
    balance: Credits
    held: Credits
    available: Credits
    version: Annotated[int, Field(ge=1)]

    def aggregate(self) -> str:
        return f"accounts/{self.account_id}"


class CreditBalanceLow(EventData):
    """What an account may spend fell below a threshold; told again only after credits came in and lifted it above."""

    TYPE: ClassVar[str] = "closet.credit.balance_low.v1"
    account_id: str
    available: Credits
    threshold: Annotated[int, Field(gt=0)]

    def aggregate(self) -> str:
        return f"accounts/{self.account_id}"


class CreditPricesPublished(EventData):
    """The price book in force."""

    TYPE: ClassVar[str] = "closet.credit.prices_published.v1"
    book: PriceBook
    effective_from: datetime

    def aggregate(self) -> str:
        return f"price-books/{self.book.version}"
