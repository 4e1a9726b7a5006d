"""Credits: prices, holds and balances. Owned by billing-meter. Whole credits and whole cents, never floats."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, Field, ValidationInfo

from closet_contracts.envelope import EventData
from closet_contracts.ids import JobId, TenantId
from closet_contracts.model import Model, is_tolerant
from closet_contracts.text import Storable

Kind = Literal["tryon", "text2img", "edit", "hairstyle", "skin-analysis", "batch"]
Credits = Annotated[int, Field(ge=0)]
KINDS = frozenset(get_args(Kind))


def _of_known_kinds(prices: Any, info: ValidationInfo) -> Any:  # noqa: ANN401  not validated yet
    """A newer release may sell what we do not know: to us that has no price."""
    if is_tolerant(info) and isinstance(prices, dict):
        return {kind: each for kind, each in prices.items() if kind in KINDS}
    return prices


PriceList = Annotated[dict[Kind, Annotated[int, Field(gt=0)]], BeforeValidator(_of_known_kinds)]


class Tier(Model):
    """What a unit costs whose quantity is `up_to` at most, and above that of the tier before."""

    up_to: Annotated[int, Field(gt=0)]
    credits: Annotated[int, Field(gt=0)]


class PriceBook(Model):
    """One version of the prices; what an estimate quotes and a hold takes comes from the same book.

    `tiers` are the prices of a kind whose units are not all alike, by variant and quantity, the smallest first.
    Where a kind has them, its price in `credits` is not used. `overrides` are tenants' own prices, of the kinds for
    which they have one; they take the place of tiers too.
    """

    version: Storable
    credits: PriceList
    tiers: dict[Kind, dict[str, tuple[Tier, ...]]] = Field(default_factory=dict)
    overrides: dict[TenantId, PriceList] = Field(default_factory=dict)
    high_resolution_above_pixels: Annotated[int, Field(gt=0)] = 1024 * 1024
    high_resolution_percent: Annotated[int, Field(ge=100)] = 150
    usd_cents_per_credit: Annotated[int, Field(gt=0)] = 10
    max_variants: Annotated[int, Field(gt=0)] = 8

    def of(self, tenant: str) -> Self:
        """The book as it is for that tenant; `price` takes it."""
        own = self.overrides.get(tenant)
        if not own:
            return self
        tiers = {kind: found for kind, found in self.tiers.items() if kind not in own}
        return self.model_copy(update={"credits": {**self.credits, **own}, "tiers": tiers})


class Plan(Model):
    """What a subscription gives: credits with each period that is paid, and rights."""

    name: Storable
    credits: Annotated[int, Field(gt=0)]
    entitlements: tuple[str, ...] = ()


class Chargeable(Model):
    """What a price depends on. `pixels` is 0 where no size was asked for; `units` counts variants or batch items.

    `pixels_each` says it for each of a batch's items, whose sizes may differ. Of a kind that is sold in tiers `variant`
    and `quantity` tell which: a skin analysis is `sd` or `hd`, of so many concerns.
    """

    kind: Kind
    units: Annotated[int, Field(ge=1)] = 1
    pixels: Annotated[int, Field(ge=0)] = 0
    pixels_each: tuple[Annotated[int, Field(ge=0)], ...] = ()
    variant: str | None = None
    quantity: Annotated[int, Field(ge=0)] = 0


class Price(Model):
    """A price and the book it comes from."""

    credits: Credits
    usd_cents: Annotated[int, Field(ge=0)]
    book_version: Storable


class Unpriceable(ValueError):
    """The book has no price for this; it is never guessed."""


def price(book: PriceBook, item: Chargeable) -> Price:
    """The price of `item` in whole credits, rounded up once, at the end.

    Raises:
        Unpriceable: the book does not know the kind or its variant, or the count is beyond what it sells.
    """
    if item.kind != "batch" and item.units > book.max_variants:
        raise Unpriceable(f"at most {book.max_variants} variants can be priced")
    sizes = item.pixels_each or (item.pixels,) * item.units
    if len(sizes) != item.units:
        raise Unpriceable("there must be a size for each of the units")
    percent = sum(book.high_resolution_percent if size > book.high_resolution_above_pixels else 100 for size in sizes)
    credits = -(-_unit_price(book, item) * percent // 100)
    return Price(credits=credits, usd_cents=credits * book.usd_cents_per_credit, book_version=book.version)


def _unit_price(book: PriceBook, item: Chargeable) -> int:
    """Credits for a unit of usual resolution."""
    if item.kind in book.tiers:
        for tier in book.tiers[item.kind].get(item.variant or "", ()):
            if 0 < item.quantity <= tier.up_to:
                return tier.credits
        raise Unpriceable(f"the price book has no tier for {item.quantity} of {item.kind} {item.variant}")
    if item.kind not in book.credits:
        raise Unpriceable(f"the price book has no price for {item.kind}")
    return book.credits[item.kind]


class _OfJob(EventData):
    job_id: JobId

    def aggregate(self) -> str:
        return f"jobs/{self.job_id}"


class CreditHeld(_OfJob):
    """The job's price is set aside on the tenant's account."""

    TYPE: ClassVar[str] = "closet.credit.held.v1"
    account_id: Storable
    credits: Credits
    expires_at: datetime


class CreditDenied(_OfJob):
    """The job's price could not be set aside; `code` says why.

    It is `insufficient_credits`, `price_changed`, `quote_invalid` or `payment_overdue`.
    """

    TYPE: ClassVar[str] = "closet.credit.denied.v1"
    account_id: Storable
    code: Storable
    message: Storable
    required: Credits
    available: Credits


class CreditCaptured(_OfJob):
    """The job is paid for out of its hold."""

    TYPE: ClassVar[str] = "closet.credit.captured.v1"
    account_id: Storable
    credits: Credits


class CreditReleased(_OfJob):
    """What was held for the job is available again."""

    TYPE: ClassVar[str] = "closet.credit.released.v1"
    account_id: Storable
    credits: Credits
    reason: Storable


class CreditBalanceChanged(EventData):
    """An account's balance after a change; `version` grows with each, so that stale news can be told."""

    TYPE: ClassVar[str] = "closet.credit.balance_changed.v1"
    account_id: Storable
    balance: Credits
    held: Credits
    available: Credits
    version: Annotated[int, Field(ge=1)]

    def aggregate(self) -> str:
        return f"accounts/{self.account_id}"


class CreditBalanceLow(EventData):
    """What an account may spend fell below a threshold; told again only after credits came in and lifted it above."""

    TYPE: ClassVar[str] = "closet.credit.balance_low.v1"
    account_id: Storable
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
