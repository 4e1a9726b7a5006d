"""Answers to questions: what would this cost, and what happened on this account?"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from closet_chassis.postgres import Pool
from closet_contracts.credit import Unpriceable, price
from closet_contracts.ids import new_id
from closet_contracts.rpc import LedgerPage, Quote, QuotePrice, ReadLedger, Request
from closet_messaging.rpc import RpcFailed, RpcHandler

from billing_meter.domain.movements import wallet_of
from billing_meter.domain.prices import KeptQuote, describe
from billing_meter.settings import Settings
from billing_meter.store import accounts
from billing_meter.store.prices import book_in_force, keep_quote


async def quote_price(pool: Pool, ttl: timedelta, request: QuotePrice) -> Quote:
    """A price from the book in force, kept until it expires."""
    async with pool.acquire() as conn:
        book, _ = await book_in_force(conn)
        try:
            quoted = price(book.of(request.tenant_id), request.item)
        except Unpriceable as error:
            raise RpcFailed("unpriceable", str(error)) from error
        expires_at = datetime.now(UTC) + ttl
        quote_id = new_id("quo")
        kept = KeptQuote(request.tenant_id, request.user_id, request.item, quoted, expires_at)
        await keep_quote(conn, quote_id, kept)
        balance, held = await accounts.balance(conn, wallet_of(request.tenant_id))
    return Quote(
        quote_id=quote_id,
        price=quoted,
        description=describe(request.item, quoted),
        expires_at=expires_at,
        balance=balance - held,
        sufficient=balance - held >= quoted.credits,
    )


async def read_ledger(pool: Pool, request: ReadLedger) -> LedgerPage:
    """An account as a bookkeeper reads it."""
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        page = await accounts.read_ledger(conn, request.account_id, request.limit)
    if page is None:
        raise RpcFailed("unknown_account", f"there is no account {request.account_id}")
    return page


def requests(settings: Settings, pool: Pool) -> Mapping[type[Request[Any]], RpcHandler]:
    """Every request that this service answers."""
    return {
        QuotePrice: partial(quote_price, pool, settings.quote_ttl),
        ReadLedger: partial(read_ledger, pool),
    }
