"""The service, put together."""

from functools import partial

import aiohttp
from closet_chassis.batching import Batcher
from closet_chassis.lanes import Lane
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import migrate, open_pool, pool_check
from closet_chassis.worker import Wake, work_loop
from closet_contracts.nouns import Service
from closet_messaging.bus import Bus, open_bus
from closet_storage.objects import open_store
from closet_storage.pool import PicturePool
from closet_storage.signing import Signer

from perfect_adapter.adapters.downloads import Downloads
from perfect_adapter.adapters.perfect import Perfect
from perfect_adapter.adapters.signatures import Mailbox
from perfect_adapter.domain.quota import Budget
from perfect_adapter.handlers import keep_webhooks
from perfect_adapter.http import add_routes
from perfect_adapter.settings import Settings
from perfect_adapter.store import ledger
from perfect_adapter.subscriptions import subscriptions
from perfect_adapter.worker import sweep
from perfect_adapter.worker.collect import Collector
from perfect_adapter.worker.lane import KeyLane
from perfect_adapter.worker.results import Results
from perfect_adapter.worker.submit import Submitter


async def build(process: Process[Settings]) -> None:
    """Wire everything; it is taken apart in reverse order."""
    settings, stack = process.settings, process.stack
    await migrate(settings.database_url, "closet_messaging", "perfect_adapter", apply=settings.migrate)
    pool = await stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    vendor = await _open_vendor(process)
    objects = await stack.enter_async_context(open_store(Signer.of(settings.s3_access()), settings.s3_sse))
    pictures = await stack.enter_async_context(PicturePool(settings.picture_workers))
    dispatched, ended = Wake(), Wake()
    bus = await stack.enter_async_context(
        open_bus(process, Service.PERFECT_ADAPTER, pool, subscriptions(dispatched.set))
    )
    lane = await _open_lane(bus, settings)
    signer = Signer.of(settings.s3_access(public=True))
    collector = Collector(lane, vendor, Results(vendor, objects, pictures), settings.look_after_s, ended)
    submitter = Submitter(lane, vendor, signer, settings.look_after_s, collector.task_begun)
    width, finish_s = settings.max_in_flight, settings.stop_timeout_s / 3
    lanes = (
        Lane("submit", submitter.claim, submitter.work, lane.renew, width, dispatched, finish_s=finish_s),
        Lane("collect", collector.claim, collector.work, lane.renew, width, ended, finish_s=finish_s),
    )
    for each in lanes:
        process.background.start(each.name, each.run())
    sweeper = sweep.Sweeper(bus.transaction, settings.quota_window_s)
    process.background.start("sweep", work_loop(sweeper.step, Wake(), sweep.EVERY_S))
    kept = Batcher(partial(keep_webhooks, bus.transaction, ended.set))
    add_routes(process.app, Mailbox(settings.webhook_secrets), kept)


async def _open_vendor(process: Process[Settings]) -> Perfect:
    settings, stack = process.settings, process.stack
    calls = await stack.enter_async_context(_session())
    # A session of its own: where results come from never sees the key.
    downloads = Downloads(
        await stack.enter_async_context(_session()),
        settings.allowed_result_hosts,
        insecure=settings.base.startswith("http:"),
    )
    return Perfect(calls, settings.base, settings.api_key, settings.timeout_s, downloads)


def _session() -> aiohttp.ClientSession:
    # As many connections as there are calls: how many there are is for the lanes to say.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar())


async def _open_lane(bus: Bus, settings: Settings) -> KeyLane:
    async with bus.transaction() as tx:
        await ledger.open_lane(tx.conn, settings.lane)
    return KeyLane(
        bus.transaction, settings.lane, Budget(settings.quota_calls, settings.quota_window_s, settings.pace_per_s)
    )
