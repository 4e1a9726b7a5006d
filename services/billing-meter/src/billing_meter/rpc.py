"""Queries over the bus: quotes, ledgers, statements, subscriptions, reconciliation."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from closet_chassis.postgres import Pool
from closet_contracts.credit import Plan, Unpriceable, price
from closet_contracts.ids import new_id
from closet_contracts.rpc import (
    LedgerPage,
    Quote,
    QuotePrice,
    ReadLedger,
    ReadStatement,
    ReadSubscription,
    Reconcile,
    Reconciliation,
    Request,
    Statement,
    SubscriptionState,
)
from closet_messaging.rpc import RpcFailed, RpcHandler

from billing_meter.adapters.stripe import Stripe
from billing_meter.domain.movements import wallet_of
from billing_meter.domain.prices import StoredQuote, describe
from billing_meter.domain.stripe import dunning_state
from billing_meter.domain.stripe_objects import StripeRefused, StripeUnavailable
from billing_meter.handlers.reconciliation import UsageOf, reconcile
from billing_meter.settings import Settings
from billing_meter.store import accounts, customers, statements
from billing_meter.store.prices import book_in_force, store_quote

_MOST_DIFFERENCES = 2000


async def quote_price(pool: Pool, ttl: timedelta, request: QuotePrice) -> Quote:
    """Quote a price from the book in force, and store the quote until it expires."""
    async with pool.acquire() as conn:
        book, _ = await book_in_force(conn)
        try:
            quoted = price(book.of(request.tenant_id), request.item)
        except Unpriceable as error:
            raise RpcFailed("unpriceable", str(error)) from error
        expires_at = datetime.now(UTC) + ttl
        quote_id = new_id("quo")
        stored = StoredQuote(request.tenant_id, request.user_id, request.item, quoted, expires_at)
        await store_quote(conn, quote_id, stored)
        balance, held = await accounts.read_balance(conn, wallet_of(request.tenant_id))
    return Quote(
        quote_id=quote_id,
        price=quoted,
        description=describe(request.item, quoted),
        expires_at=expires_at,
        balance=balance - held,
        sufficient=balance - held >= quoted.credits,
    )


async def read_ledger(pool: Pool, request: ReadLedger) -> LedgerPage:
    """Return an account as a bookkeeper reads it."""
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        page = await accounts.read_ledger(conn, request.account_id, request.limit)
    if page is None:
        raise RpcFailed("unknown_account", f"there is no account {request.account_id}")
    return page


async def read_statement(pool: Pool, request: ReadStatement) -> Statement:
    """Return a wallet's statement as its owner gets it."""
    try:
        async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            statement = await statements.read_statement(conn, request)
    except statements.InvalidCursor:
        raise RpcFailed("invalid_cursor", "This cursor is not one that was given out here.") from None
    if statement is None:
        raise RpcFailed("unknown_account", f"there is no wallet {request.account_id}")
    return statement


async def read_subscription(plans: Mapping[str, Plan], pool: Pool, request: ReadSubscription) -> SubscriptionState:
    """Return what the tenant has subscribed to; nothing for one that Stripe does not know."""
    async with pool.acquire() as conn:
        customer = await customers.find_by_tenant(conn, request.tenant_id)
        suspended_from = await customers.suspension(conn, request.tenant_id)
    return SubscriptionState(
        tenant_id=request.tenant_id,
        status=customer.status if customer else None,
        plan=plans.get(customer.price_id) if customer and customer.price_id else None,
        dunning=dunning_state(suspended_from, datetime.now(UTC)),
        suspended_from=suspended_from,
    )


async def reconcile_day(pool: Pool, usage_of: UsageOf | None, request: Reconcile) -> Reconciliation:
    """Reconcile a day now; of very many differences return the first, which fit into an answer."""
    try:
        found = await reconcile(pool, usage_of, request.day)
    except (StripeRefused, StripeUnavailable) as error:
        raise RpcFailed("stripe_unavailable", str(error)) from error
    return found.model_copy(update={"differences": found.differences[:_MOST_DIFFERENCES]})


def requests(settings: Settings, pool: Pool, stripe: Stripe | None) -> Mapping[type[Request[Any]], RpcHandler]:
    """Return every request that this service answers."""
    return {
        QuotePrice: partial(quote_price, pool, settings.quote_ttl),
        ReadLedger: partial(read_ledger, pool),
        ReadStatement: partial(read_statement, pool),
        ReadSubscription: partial(read_subscription, settings.plans, pool),
        Reconcile: partial(reconcile_day, pool, stripe.usage_of if stripe else None),
    }
