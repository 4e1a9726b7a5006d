"""The JSON of the tenant's balance and statement."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from kiosk_gateway.http.models import Asked, Json, Text

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _in_our_time(moment: datetime) -> datetime:
    if not _FIRST <= moment < _LAST:
        raise ValueError("a period lies between the years 2000 and 2199")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_our_time)]
"""With room for every time zone: at the ends of the calendar, moments of one zone have no name in another."""


class StatementQuery(Asked):
    """The period, from 2000 to 2199, and how much of it at once."""

    since: Moment
    until: Moment
    limit: Annotated[int, Field(ge=1, le=1000)] = 500
    cursor: Text | None = None


class StatementLine(Json):
    """A change of the balance, and the job, its renders and its trace that it leads back to.

    `usd_cents` is its amount in US cents at the price that a credit had then.
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
    """The tenant's balance over a period: what it was, each change, what it is then.

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
    """The tenant's credits. `updated_at` is null as long as nothing was ever booked."""

    account_id: str
    balance: int
    held: int
    available: int
    updated_at: datetime | None
