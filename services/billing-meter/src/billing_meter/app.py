"""The composition of the service."""

from functools import partial

import aiohttp
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import open_pool, pool_check, prepare
from closet_chassis.proxies import proxy_for
from closet_chassis.worker import Wake, work_loop
from closet_contracts.ownership import Service
from closet_messaging.bus import Bus, open_bus

from billing_meter.adapters.signatures import StripeWebhookVerifier
from billing_meter.adapters.stripe import Stripe
from billing_meter.handlers.receipts import publish_prices
from billing_meter.handlers.stripe import SubscriptionTerms
from billing_meter.http import stripe_webhooks
from billing_meter.rpc import requests
from billing_meter.settings import Settings
from billing_meter.store.prices import PriceBooks
from billing_meter.subscriptions import subscriptions
from billing_meter.worker import reconcile, stripe_worker, sweep
from billing_meter.worker.stripe_actions import StripeContext
from billing_meter.worker.stripe_worker import StripeWorker


async def build(process: Process[Settings]) -> None:
    """Open and wire everything; it is closed in reverse order."""
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
    process.background.start("sweeper", work_loop(partial(sweep.sweep, bus.transaction), Wake(), sweep.INTERVAL_S))
    usage_of = stripe.usage_of if stripe else None
    process.background.start(
        "reconcile", work_loop(partial(reconcile.reconcile_yesterday, pool, usage_of), Wake(), reconcile.INTERVAL_S)
    )
    if stripe is not None:
        _start_stripe(process, bus, stripe)


async def _open_stripe(process: Process[Settings]) -> Stripe:
    settings = process.settings
    session = await process.stack.enter_async_context(
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), proxy=proxy_for(settings.stripe_base))
    )
    meter = settings.stripe_meter_id, settings.stripe_meter_event
    return Stripe(session, settings.stripe_key, settings.stripe_base, meter)


def _start_stripe(process: Process[Settings], bus: Bus, stripe: Stripe) -> None:
    settings = process.settings
    terms = SubscriptionTerms(settings.plans, settings.dunning_grace)
    worker = StripeWorker(
        StripeContext(begin=bus.transaction, stripe=stripe, terms=terms, return_url=settings.topup_return_url)
    )
    process.background.start("stripe", worker.leased_worker().run())
    topups = partial(stripe_worker.start_automatic_topups, bus.transaction, worker.wake)
    process.background.start("automatic top-ups", work_loop(topups, Wake(), stripe_worker.INTERVAL_S))
    measure = partial(stripe_worker.measure_work, bus.transaction)
    process.background.start("stripe gauges", work_loop(measure, Wake(), stripe_worker.INTERVAL_S))
    verifier = StripeWebhookVerifier(settings.webhook_secrets)
    stripe_webhooks(verifier, bus.transaction, worker.wake.set).add_to(process.app)
