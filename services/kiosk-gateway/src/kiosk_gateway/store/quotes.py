"""Quotes as they were passed on: a job that names one is priced by it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from closet_contracts.credit import Chargeable, Price
from closet_contracts.rpc import Quote, QuotePrice
from closet_messaging.transaction import Connection

QuoteName = tuple[str, str, str]
"""A tenant, one of its users, and the id of a quote that they were given."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """What was priced, its price, and until when that holds."""

    item: Chargeable
    price: Price
    expires_at: datetime

    @classmethod
    def of(cls, item: dict[str, Any], price: dict[str, Any], expires_at: str) -> Self:
        """A quote from its row as JSON."""
        return cls(Chargeable.model_validate(item), Price.model_validate(price), datetime.fromisoformat(expires_at))


async def keep(conn: Connection, asked: QuotePrice, quote: Quote) -> None:
    """Remember a quote before it is passed on."""
    await conn.execute(
        "INSERT INTO quotes (tenant_id, user_id, quote_id, item, price, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        asked.tenant_id,
        asked.user_id,
        quote.quote_id,
        asked.item.model_dump(mode="json"),
        quote.price.model_dump(mode="json"),
        quote.expires_at,
    )


async def forget(conn: Connection, limit: int) -> int:
    """Delete those that expired a day ago, at most so many; how many. Until then a job is told that it is too late."""
    tag = await conn.execute(
        """
        DELETE FROM quotes WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM quotes WHERE expires_at < now() - interval '1 day' LIMIT $1))
        """,
        limit,
    )
    return int(tag.rpartition(" ")[2])
