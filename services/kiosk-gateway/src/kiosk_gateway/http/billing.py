"""The tenant's balance and statement."""

from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from closet_chassis.http import read_query
from closet_contracts import rpc
from pydantic import AfterValidator, AwareDatetime, Field

from kiosk_gateway.domain.access import account_of
from kiosk_gateway.domain.refusals import INVALID_REQUEST
from kiosk_gateway.handlers.billing import Billing
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.http.route import CALLER, Json, RequestBody, Text, reply_private

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _in_range(moment: datetime) -> datetime:
    if not _FIRST <= moment < _LAST:
        raise ValueError("a period must lie between the years 2000 and 2199")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_range)]
"""Far from the ends of the calendar, where a moment of one time zone cannot be written in another."""


class StatementQuery(RequestBody):
    """The period, from 2000 to 2199, and the page size."""

    since: Moment
    until: Moment
    limit: Annotated[int, Field(ge=1, le=1000)] = 500
    cursor: Text | None = None


class StatementLine(Json):
    """A change of the balance, with the job, the renders and the trace that caused it.

    `usd_cents` is its amount in US cents at the price of a credit at that time.
    """

    at: datetime
    transaction_id: str
    kind: str
    cause: str
    amount: int
    balance_after: int
    reason: str | None
    job_id: str | None
    renders: tuple[str, ...]
    trace_id: str | None
    usd_cents: int | None = None


class Statement(Json):
    """The tenant's balance over a period: at its beginning, each change, and at its end.

    `usd_cents_per_credit` is the price of a credit at the end of the period.
    """

    account_id: str
    since: datetime
    until: datetime
    opening: int
    closing: int
    lines: tuple[StatementLine, ...]
    next_cursor: str | None
    usd_cents_per_credit: int | None = None


class Balance(Json):
    """The tenant's credits. `updated_at` is null until something is booked."""

    account_id: str
    balance: int
    held: int
    available: int
    updated_at: datetime | None


class BillingEndpoints:
    """Serves the tenant's balance and statement."""

    def __init__(self, billing: Billing) -> None:
        self._billing = billing

    async def balance(self, request: web.Request) -> web.StreamResponse:
        """GET /billing/balance."""
        account = account_of(request[CALLER].tenant)
        found = await self._billing.balance(account)
        balance = Balance(
            account_id=account,
            balance=found.balance if found else 0,
            held=found.held if found else 0,
            available=found.available if found else 0,
            updated_at=found.updated_at if found else None,
        )
        return reply_private(balance)

    async def statement(self, request: web.Request) -> web.StreamResponse:
        """GET /billing/statement."""
        query = read_query(request, StatementQuery)
        if query.until <= query.since:
            raise problem(INVALID_REQUEST, "The period must end after it begins.")
        found = await self._billing.statement(
            request[CALLER], query.since, query.until, after=query.cursor, limit=query.limit
        )
        return reply_private(_statement(found))


def _statement(found: rpc.Statement) -> Statement:
    """Return the statement without the operator who made a booking, whom a tenant does not see."""
    lines = tuple(StatementLine(**line.model_dump(by_alias=False, exclude={"actor"})) for line in found.lines)
    fields = found.model_dump(by_alias=False, exclude={"lines", "next_after"})
    return Statement(**fields, lines=lines, next_cursor=found.next_after)
