"""The service, put together."""

from functools import partial

from closet_chassis.lifecycle import Process
from closet_chassis.postgres import migrate, open_pool, pool_check
from closet_chassis.worker import Wake, work_loop
from closet_contracts.nouns import Service
from closet_messaging.bus import open_bus

from billing_meter.handlers.receipts import publish_prices
from billing_meter.rpc import requests
from billing_meter.settings import Settings
from billing_meter.store.prices import PriceBooks
from billing_meter.subscriptions import subscriptions
from billing_meter.worker import LOOK_EVERY_S, sweep


async def build(process: Process[Settings]) -> None:
    """Wire everything; it is taken apart in reverse order."""
    settings = process.settings
    await migrate(settings.database_url, "closet_messaging", "billing_meter", apply=settings.migrate)
    pool = await process.stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    events = subscriptions(settings, PriceBooks())
    bus = await process.stack.enter_async_context(
        open_bus(process, Service.BILLING_METER, pool, events, requests(settings, pool))
    )
    async with bus.transaction() as tx:
        await publish_prices(tx)
    process.background.start("sweeper", work_loop(partial(sweep, bus.transaction), Wake(), LOOK_EVERY_S))
