"""Balances as projected from billing-meter's events, and the quotes that were passed on to clients."""

from dataclasses import dataclass
from datetime import datetime

from closet_chassis.postgres import affected
from closet_contracts.rpc import Quote, QuotePrice
from closet_messaging.transaction import Connection


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """An account's credits as of the last event."""

    balance: int
    held: int
    available: int
    updated_at: datetime


async def read_balance(conn: Connection, account: str) -> AccountBalance | None:
    """Return the balance, None if nothing was ever booked on the account."""
    row = await conn.fetchrow(
        "SELECT balance, held, available, updated_at FROM accounts WHERE account_id = $1", account
    )
    return AccountBalance(*row) if row else None


async def save_quote(conn: Connection, request: QuotePrice, quote: Quote) -> None:
    """Store a quote before it is passed on."""
    await conn.execute(
        "INSERT INTO quotes (tenant_id, user_id, quote_id, item, price, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        request.tenant_id,
        request.user_id,
        quote.quote_id,
        request.item.model_dump(mode="json"),
        quote.price.model_dump(mode="json"),
        quote.expires_at,
    )


async def delete_expired_quotes(conn: Connection, limit: int) -> int:
    """Delete at most `limit` quotes that expired more than a day ago; return how many.

    Until then a job that names one is refused as `quote_expired` instead of `quote_not_found`.
    """
    tag = await conn.execute(
        """
        DELETE FROM quotes WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM quotes WHERE expires_at < now() - interval '1 day' LIMIT $1))
        """,
        limit,
    )
    return affected(tag)
