"""What the gateway knows of prices and balances; billing-meter decides, this refuses early."""

from dataclasses import dataclass
from datetime import datetime

from closet_contracts.credit import CreditBalanceChanged, PriceBook
from closet_contracts.envelope import Event
from closet_messaging.transaction import Connection, Tx

PUT_BALANCE = """
    INSERT INTO accounts AS a (account_id, balance, held, available, version, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (account_id) DO UPDATE SET balance = $2, held = $3, available = $4, version = $5, updated_at = $6
    WHERE a.version < $5
"""


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's credits as last heard."""

    balance: int
    held: int
    available: int
    updated_at: datetime


def put_balance(tx: Tx, event: Event[CreditBalanceChanged]) -> None:
    """Keep a balance unless a newer one is known, at the end of the unit: of those in one unit only the newest."""
    fact = event.data
    newest: dict[str, int] = tx.memo.setdefault("balances", {})
    if newest.get(fact.account_id, 0) >= fact.version:
        return
    newest[fact.account_id] = fact.version
    row = (fact.account_id, fact.balance, fact.held, fact.available, fact.version, event.time)
    tx.before_commit(f"balance {fact.account_id}", lambda: tx.defer(PUT_BALANCE, *row))


async def read_balance(conn: Connection, account: str) -> Balance | None:
    """The balance, None if nothing was ever booked on the account."""
    row = await conn.fetchrow(
        "SELECT balance, held, available, updated_at FROM accounts WHERE account_id = $1", account
    )
    return Balance(*row) if row else None


async def put_prices(conn: Connection, book: PriceBook, effective_from: datetime) -> None:
    """Keep a price book; one version never changes."""
    await conn.execute(
        "INSERT INTO price_books (version, book, effective_from) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        book.version,
        book.model_dump(mode="json"),
        effective_from,
    )


async def read_prices(conn: Connection) -> PriceBook | None:
    """The book in force."""
    book = await conn.fetchval(
        "SELECT book FROM price_books WHERE effective_from <= now() ORDER BY effective_from DESC, version DESC LIMIT 1"
    )
    return PriceBook.model_validate(book) if book else None
