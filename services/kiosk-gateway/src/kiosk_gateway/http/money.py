"""The JSON of the tenant's balance and statement."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from kiosk_gateway.http.models import Asked, Json, Text


class StatementQuery(Asked):
    """The period, and how much of it at once."""

    since: AwareDatetime
    until: AwareDatetime
    limit: Annotated[int, Field(ge=1, le=1000)] = 500
    cursor: Text | None = None


class StatementLine(Json):
    """A change of the balance, and the job, its renders and its trace that it leads back to."""

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


class Statement(Json):
    """The tenant's balance over a period: what it was, each change, what it is then."""

    account_id: str
    since: datetime
    until: datetime
    opening: int
    closing: int
    lines: tuple[StatementLine, ...]
    next_cursor: str | None


class Balance(Json):
    """The tenant's credits. `updated_at` is null as long as nothing was ever booked."""

    account_id: str
    balance: int
    held: int
    available: int
    updated_at: datetime | None
