"""Questions that one service asks another over NATS; facts travel as events, never here."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from pydantic import Field

from closet_contracts.credit import Chargeable, Plan, Price
from closet_contracts.ids import TenantId, UploadId, UserId
from closet_contracts.model import Model

R_co = TypeVar("R_co", bound=Model, covariant=True)


class Request(Model, Generic[R_co]):
    """A question. `SUBJECT` is `closet.rpc.<service>.<verb>.v<major>`; `REPLY` is the model of its answer."""

    SUBJECT: ClassVar[str]
    REPLY: ClassVar[type[Model]]


class SignedPut(Model):
    """A URL that takes one PUT of one object, with exactly these headers."""

    url: str
    headers: dict[str, str]
    key: str
    expires_in: int


class SignPut(Request[SignedPut]):
    """Where may these bytes go? Their size is bound by the signature, without it there is none; so is a digest."""

    SUBJECT: ClassVar[str] = "closet.rpc.upload-signer.sign_put.v1"
    REPLY: ClassVar[type[Model]] = SignedPut
    tenant_id: TenantId
    upload_id: UploadId
    content_type: str
    size: Annotated[int, Field(gt=0)] | None = None
    sha256: str | None = None


class SignedGets(Model):
    """URLs in the order of the keys."""

    urls: tuple[str, ...]
    expires_in: int


class SignGet(Request[SignedGets]):
    """Where can these results be read? The asker has checked whose they are; other tenants' keys are refused."""

    SUBJECT: ClassVar[str] = "closet.rpc.upload-signer.sign_get.v1"
    REPLY: ClassVar[type[Model]] = SignedGets
    tenant_id: TenantId
    keys: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]


class Quote(Model):
    """A price that holds until it expires, and whether the account covers it now."""

    quote_id: str
    price: Price
    description: str
    expires_at: datetime
    balance: int
    sufficient: bool


class QuotePrice(Request[Quote]):
    """What would this cost?"""

    SUBJECT: ClassVar[str] = "closet.rpc.billing-meter.quote_price.v1"
    REPLY: ClassVar[type[Model]] = Quote
    tenant_id: TenantId
    user_id: UserId
    item: Chargeable


class Template(Model):
    """A style that the vendor offers, by its id there."""

    template_id: str
    title: str
    category: str | None = None
    thumbnail_url: str | None = None


class TemplatePage(Model):
    """Some templates; `next_cursor` leads to more."""

    templates: tuple[Template, ...]
    next_cursor: str | None = None


class ListTemplates(Request[TemplatePage]):
    """Which templates does the vendor offer for this kind of work?"""

    SUBJECT: ClassVar[str] = "closet.rpc.perfect-adapter.list_templates.v1"
    REPLY: ClassVar[type[Model]] = TemplatePage
    kind: Literal["hairstyle"]
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: str | None = None


class LedgerLine(Model):
    """One transaction as this account sees it: the change of its balance, and the change of what is held of it."""

    at: datetime
    transaction_id: str
    kind: str
    cause: str
    amount: int
    balance_after: int
    held: int = 0


class LedgerPage(Model):
    """An account's newest entries first, with its balances."""

    account_id: str
    balance: int
    held: int
    available: int
    lines: tuple[LedgerLine, ...]


class ReadLedger(Request[LedgerPage]):
    """What happened on this tenant's account?"""

    SUBJECT: ClassVar[str] = "closet.rpc.billing-meter.read_ledger.v1"
    REPLY: ClassVar[type[Model]] = LedgerPage
    account_id: str
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class StatementLine(Model):
    """A transaction that changed a balance, and what it leads back to.

    `usd_cents` is its amount in US cents at the price that a credit had then.
    """

    at: datetime
    transaction_id: str
    kind: str
    cause: str
    amount: int
    balance_after: int
    reason: str | None = None
    actor: str | None = None
    job_id: str | None = None
    renders: tuple[str, ...] = ()
    trace_id: str | None = None
    usd_cents: int | None = None


class Statement(Model):
    """A wallet's balance over a period: what it was, each change, what it is then. `next_after` leads to more lines.

    `usd_cents_per_credit` is the price of a credit at the end of the period.
    """

    account_id: str
    since: datetime
    until: datetime
    opening: int
    closing: int
    lines: tuple[StatementLine, ...]
    next_after: str | None = None
    usd_cents_per_credit: int | None = None


class ReadStatement(Request[Statement]):
    """What changed this tenant's or device's balance in a period?"""

    SUBJECT: ClassVar[str] = "closet.rpc.billing-meter.read_statement.v1"
    REPLY: ClassVar[type[Model]] = Statement
    account_id: str
    since: datetime
    until: datetime
    after: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 500


class Difference(Model):
    """Something of which two records say different things. `id` is a job's, a usage's, a customer's or an account's."""

    kind: str
    id: str
    tenant_id: str | None = None
    expected: int | None = None
    found: int | None = None


class Reconciliation(Model):
    """What was compared, by name, and everything that differs."""

    day: date
    at: datetime
    compared: dict[str, int]
    differences: tuple[Difference, ...]


class Reconcile(Request[Reconciliation]):
    """Do the day's captures, jobs, renders and Stripe's meter agree?"""

    SUBJECT: ClassVar[str] = "closet.rpc.billing-meter.reconcile.v1"
    REPLY: ClassVar[type[Model]] = Reconciliation
    day: date


class SubscriptionState(Model):
    """What a tenant has subscribed to. `dunning` is `current`, `overdue` or `suspended`."""

    tenant_id: str
    status: str | None
    plan: Plan | None
    dunning: str
    suspended_from: datetime | None = None


class ReadSubscription(Request[SubscriptionState]):
    """What has this tenant subscribed to, and is it paid for?"""

    SUBJECT: ClassVar[str] = "closet.rpc.billing-meter.read_subscription.v1"
    REPLY: ClassVar[type[Model]] = SubscriptionState
    tenant_id: TenantId


class RpcFault(Model):
    """The answer when there is none: a stable code and a sentence."""

    code: str
    detail: str
