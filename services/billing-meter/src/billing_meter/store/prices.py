"""Price books and quotes."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from closet_contracts.credit import Chargeable, Price, PriceBook
from closet_messaging.transaction import Connection

from billing_meter.domain.prices import KeptQuote


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
class CreditPrices:
    """What a credit was worth in US cents, book after book: the first is sold from the first time on."""

    since: Sequence[datetime]
    usd_cents: Sequence[int]

    @classmethod
    async def read(cls, conn: Connection) -> Self:
        """All that ever were, or are to come."""
        rows = await conn.fetch("SELECT book, effective_from FROM price_books ORDER BY effective_from")
        books = [PriceBook.model_validate(row["book"]) for row in rows]
        return cls([row["effective_from"] for row in rows], [book.usd_cents_per_credit for book in books])

    def at(self, time: datetime) -> int | None:
        """US cents a credit at that time; None before the first book."""
        place = bisect_right(self.since, time)
        return self.usd_cents[place - 1] if place else None

    def value(self, credits: int, time: datetime) -> int | None:
        """So many credits in US cents, at the price of that time."""
        cents = self.at(time)
        return None if cents is None else credits * cents


async def keep_quote(conn: Connection, quote_id: str, quote: KeptQuote) -> None:
    """Remember what was quoted."""
    await conn.execute(
        """
        INSERT INTO quotes (quote_id, tenant_id, user_id, item, credits, usd_cents, book_version, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        quote_id,
        quote.tenant_id,
        quote.user_id,
        quote.item.model_dump(mode="json"),
        quote.price.credits,
        quote.price.usd_cents,
        quote.price.book_version,
        quote.expires_at,
    )


async def kept_quote(conn: Connection, quote_id: str) -> KeptQuote | None:
    """The quote of that id; None if there is none, or not any more."""
    row = await conn.fetchrow("SELECT * FROM quotes WHERE quote_id = $1", quote_id)
    if row is None:
        return None
    return KeptQuote(
        tenant_id=row["tenant_id"],
        user_id=row["user_id"],
        item=Chargeable.model_validate(row["item"]),
        price=Price(credits=row["credits"], usd_cents=row["usd_cents"], book_version=row["book_version"]),
        expires_at=row["expires_at"],
    )


async def add_book(conn: Connection, book: PriceBook, effective_from: datetime) -> bool:
    """Keep a new version, sold from then on; False if its name or its time is taken."""
    tag = await conn.execute(
        "INSERT INTO price_books (version, effective_from, book) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        book.version,
        effective_from,
        book.model_dump(mode="json"),
    )
    return tag == "INSERT 0 1"
