"""The books in the database. A movement of credits is one call of one function of migrations/0002_movements.sql."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from closet_contracts.credit import Chargeable, Price, PriceBook
from closet_contracts.rpc import LedgerLine, LedgerPage
from closet_messaging.unit import Connection

from billing_meter.domain import Grant, Hold


@dataclass(frozen=True, slots=True)
class Movement:
    """What became of a movement (`outcome`, `credits`), and the account after it."""

    outcome: str
    credits: int
    balance: int
    held: int
    version: int

    @property
    def available(self) -> int:
        """What may be spent."""
        return self.balance - self.held


@dataclass(frozen=True, slots=True)
class JobRef:
    """A job, as far as its money knows it."""

    job_id: str
    tenant_id: str
    traceparent: str | None


async def grant(conn: Connection, grant: Grant) -> Movement:
    """`granted`, `known` (booked before) or `refused` (the receipt was booked for something else)."""
    return await _movement(conn, "SELECT * FROM grant_credits($1, $2, $3, $4, $5)", *grant)


async def hold(conn: Connection, hold: Hold) -> Movement:
    """`held`, `denied` (not enough available) or `known` (decided before)."""
    return await _movement(conn, "SELECT * FROM hold_credits($1, $2, $3, $4, $5)", *hold)


async def capture(conn: Connection, job: JobRef, credits: int) -> Movement:
    """`captured`, `known`, `lost` (nothing is held any more; noted once) or `missing` (no hold was ever asked for)."""
    sql = "SELECT * FROM capture_credits($1, $2, $3, $4)"
    return await _movement(conn, sql, job.job_id, job.tenant_id, credits, job.traceparent)


async def release(conn: Connection, job: JobRef, reason: str) -> Movement:
    """`released`, `known`, or `barred` (there was no hold yet, and there will be none)."""
    sql = "SELECT * FROM release_credits($1, $2, $3, $4)"
    return await _movement(conn, sql, job.job_id, job.tenant_id, reason, job.traceparent)


async def expired_holds(conn: Connection, limit: int) -> list[JobRef]:
    """Holds past their expiry, in the order in which accounts are locked everywhere."""
    rows = await conn.fetch(
        """
        SELECT * FROM (
            SELECT job_id, tenant_id, traceparent FROM holds WHERE state = 'held' AND expires_at <= now()
            ORDER BY expires_at LIMIT $1
        ) due ORDER BY tenant_id COLLATE "C", job_id COLLATE "C"
        """,
        limit,
    )
    return [JobRef(**row) for row in rows]


async def seconds_to_next_expiry(conn: Connection) -> float | None:
    """Seconds until a hold expires; None if nothing is held."""
    row = await conn.fetchrow(
        "SELECT extract(epoch FROM min(expires_at) - now())::float8 AS seconds FROM holds WHERE state = 'held'"
    )
    return row["seconds"] if row else None


async def all_available(conn: Connection) -> dict[str, int]:
    """What every tenant may spend."""
    rows = await conn.fetch("SELECT tenant_id, balance - held AS available FROM balances")
    return {row["tenant_id"]: row["available"] for row in rows}


async def balance(conn: Connection, tenant_id: str) -> tuple[int, int]:
    """A tenant's balance and what is held of it; nothing for one not seen yet."""
    row = await conn.fetchrow("SELECT balance, held FROM balances WHERE tenant_id = $1", tenant_id)
    return (row["balance"], row["held"]) if row else (0, 0)


class PriceBooks:
    """Versions of the prices; one that was read once is remembered, for it never changes."""

    def __init__(self) -> None:
        self._known: dict[str, PriceBook] = {}

    async def get(self, conn: Connection, version: str) -> PriceBook | None:
        """The book of that version; None if there is none."""
        if version not in self._known:
            row = await conn.fetchrow("SELECT book FROM price_books WHERE version = $1", version)
            if row is None:
                return None
            self._known[version] = PriceBook.model_validate(row["book"])
        return self._known[version]


async def book_in_force(conn: Connection) -> tuple[PriceBook, datetime]:
    """The book that is sold by now, and since when.

    Raises:
        LookupError: every book's time is still to come.
    """
    row = await conn.fetchrow(
        """SELECT book, effective_from FROM price_books WHERE effective_from <= now()
        ORDER BY effective_from DESC LIMIT 1"""
    )
    if row is None:
        raise LookupError("no price book is in force")
    return PriceBook.model_validate(row["book"]), row["effective_from"]


async def books_from_now_on(conn: Connection) -> list[tuple[PriceBook, datetime]]:
    """The book in force and those whose time is still to come, each with when it begins, in that order."""
    rows = await conn.fetch(
        """SELECT book, effective_from FROM price_books WHERE effective_from >= coalesce(
            (SELECT max(effective_from) FROM price_books WHERE effective_from <= now()), now()
        ) ORDER BY effective_from"""
    )
    return [(PriceBook.model_validate(row["book"]), row["effective_from"]) for row in rows]


@dataclass(frozen=True, slots=True)
class NewQuote:
    """A quote to be kept."""

    quote_id: str
    tenant_id: str
    user_id: str
    item: Chargeable
    price: Price
    expires_at: datetime


async def keep_quote(conn: Connection, quote: NewQuote) -> None:
    """Remember what was quoted."""
    await conn.execute(
        """
        INSERT INTO quotes (quote_id, tenant_id, user_id, item, credits, usd_cents, book_version, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        quote.quote_id,
        quote.tenant_id,
        quote.user_id,
        quote.item.model_dump(mode="json"),
        quote.price.credits,
        quote.price.usd_cents,
        quote.price.book_version,
        quote.expires_at,
    )


async def forget_quotes(conn: Connection, limit: int) -> int:
    """Delete quotes that expired a day ago or longer, at most so many; how many there were."""
    tag = await conn.execute(
        """
        DELETE FROM quotes WHERE quote_id = ANY (ARRAY(
            SELECT quote_id FROM quotes WHERE expires_at < now() - interval '1 day' LIMIT $1 FOR UPDATE SKIP LOCKED))
        """,
        limit,
    )
    return int(tag.rpartition(" ")[2])


async def read_ledger(conn: Connection, account_id: str, limit: int) -> LedgerPage | None:
    """An account's newest transactions first; None if there is no such account. Wants one snapshot for all it reads.

    A tenant's account is read together with its holds: a hold changes what is held, a capture the balance.
    """
    account = await conn.fetchrow("SELECT kind, tenant_id FROM accounts WHERE account_id = $1", account_id)
    if account is None:
        return None
    if account["kind"] == "tenant":
        stands, held = await balance(conn, account["tenant_id"])
        rows = await conn.fetch(_LINES, [account_id, f"holds:{account['tenant_id']}"], limit)
    else:
        stands, held = await conn.fetchval(_SUM, account_id), 0
        rows = await conn.fetch(_LINES, [account_id], limit)
    lines = tuple(_lines(rows, stands))
    return LedgerPage(account_id=account_id, balance=stands, held=held, available=stands - held, lines=lines)


def _lines(rows: Iterable[asyncpg.Record], stands: int) -> Iterator[LedgerLine]:
    for row in rows:
        yield LedgerLine(**row, balance_after=stands)
        stands -= row["amount"]


_SUM = "SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account_id = $1"

# An account has one entry per transaction: the newest entries of each account make the newest transactions of both.
_LINES = """
    SELECT t.transaction_id::text, t.at, t.kind, t.cause, sum(e.amount)::bigint AS amount,
        coalesce(sum(e.amount) FILTER (WHERE a.nth = 2), 0)::bigint AS held
    FROM unnest($1::text[]) WITH ORDINALITY AS a (account_id, nth)
    CROSS JOIN LATERAL (
        SELECT * FROM entries WHERE account_id = a.account_id ORDER BY entry_id DESC LIMIT $2
    ) e
    JOIN transactions t USING (transaction_id)
    GROUP BY t.transaction_id ORDER BY t.transaction_id DESC LIMIT $2
"""


async def _movement(conn: Connection, sql: str, *args: object) -> Movement:
    row = await conn.fetchrow(sql, *args)
    if row is None:
        raise RuntimeError("the ledger's function answered nothing")
    return Movement(**row)
