"""The service, put together."""

from functools import partial

import aiohttp
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import open_pool, pool_check, prepare
from closet_chassis.proxies import proxy_for
from closet_chassis.worker import Wake, work_loop
from closet_contracts.ownership import Service
from closet_messaging.bus import Bus, open_bus

from billing_meter.adapters.signatures import Mailbox
from billing_meter.adapters.stripe import Stripe
from billing_meter.handlers.receipts import publish_prices
from billing_meter.handlers.stripe import Terms
from billing_meter.http import add_routes
from billing_meter.rpc import requests
from billing_meter.settings import Settings
from billing_meter.store.prices import PriceBooks
from billing_meter.subscriptions import subscriptions
from billing_meter.worker import clerk, reconcile, sweep
from billing_meter.worker.actions import Desk


async def build(process: Process[Settings]) -> None:
    """Wire everything; it is taken apart in reverse order."""
    settings = process.settings
    await prepare(settings, "closet_messaging", "billing_meter")
    pool = await process.stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    stripe = await _open_stripe(process) if settings.stripe_key else None
    events = subscriptions(settings, PriceBooks())
    bus = await process.stack.enter_async_context(
        open_bus(process, Service.BILLING_METER, pool, events, requests(settings, pool, stripe))
    )
    async with bus.transaction() as tx:
        await publish_prices(tx)
    process.background.start("sweeper", work_loop(partial(sweep.sweep, bus.transaction), Wake(), sweep.LOOK_EVERY_S))
    usage_of = stripe.usage_of if stripe else None
    process.background.start(
        "reconcile", work_loop(partial(reconcile.reconcile_yesterday, pool, usage_of), Wake(), reconcile.LOOK_EVERY_S)
    )
    if stripe is not None:
        _deal_with_stripe(process, bus, stripe)


async def _open_stripe(process: Process[Settings]) -> Stripe:
    settings = process.settings
    session = await process.stack.enter_async_context(
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), proxy=proxy_for(settings.stripe_base))
    )
    meter = settings.stripe_meter_id, settings.stripe_meter_event
    return Stripe(session, settings.stripe_key, settings.stripe_base, meter)


def _deal_with_stripe(process: Process[Settings], bus: Bus, stripe: Stripe) -> None:
    settings = process.settings
    terms = Terms(settings.plans, settings.dunning_grace)
    told = Wake()
    hand = clerk.Clerk(Desk(bus.transaction, stripe, terms, settings.topup_return_url))
    process.background.start("stripe", work_loop(hand.step, told, clerk.LOOK_EVERY_S))
    add_routes(process.app, Mailbox(settings.webhook_secrets), bus.transaction, told.set)
