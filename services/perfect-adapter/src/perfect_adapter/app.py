"""The service, put together."""

from functools import partial
from typing import Any

import aiohttp
from closet_chassis.batching import Batcher
from closet_chassis.leased_work import LeasedWorker
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import open_pool, pool_check, prepare
from closet_chassis.worker import Wake, work_loop
from closet_contracts.ownership import Service
from closet_messaging.bus import Bus, open_bus
from closet_storage.objects import open_store
from closet_storage.pool import PicturePool
from closet_storage.signing import Signer

from perfect_adapter.adapters.calls import Caller
from perfect_adapter.adapters.classic import Classic
from perfect_adapter.adapters.downloads import Downloads, Hosts, session_for_storage
from perfect_adapter.adapters.perfect import Perfect
from perfect_adapter.adapters.signatures import Mailbox
from perfect_adapter.adapters.uploads import Uploads
from perfect_adapter.domain.clock import Dates
from perfect_adapter.domain.doubt import Policy
from perfect_adapter.domain.features import Options
from perfect_adapter.domain.quota import Budget
from perfect_adapter.domain.room import Rules
from perfect_adapter.handlers import keep_webhooks
from perfect_adapter.http import add_routes
from perfect_adapter.ports import Vendor
from perfect_adapter.rpc import requests
from perfect_adapter.settings import Settings
from perfect_adapter.subscriptions import subscriptions
from perfect_adapter.worker import capacity, probe, sweep, templates
from perfect_adapter.worker.collect import Collector
from perfect_adapter.worker.delete import EVERY_S as COPIES_EVERY_S
from perfect_adapter.worker.delete import CopyPlanner, Deleter
from perfect_adapter.worker.inputs import Inputs
from perfect_adapter.worker.keyring import KeyRing
from perfect_adapter.worker.line import Line
from perfect_adapter.worker.resolve import Patience, Resolver
from perfect_adapter.worker.results import Results
from perfect_adapter.worker.submit import Submitter, Terms


async def build(process: Process[Settings]) -> None:
    """Wire everything; it is taken apart in reverse order."""
    settings, stack = process.settings, process.stack
    await prepare(settings, "closet_messaging", "perfect_adapter")
    pool = await stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    dates = Dates()
    vendor = await _open_vendor(process, dates)
    objects = await stack.enter_async_context(open_store(Signer.of(settings.s3_access()), settings.s3_sse))
    pictures = await stack.enter_async_context(PicturePool(settings.picture_workers))
    dispatched, told, doubted, deleting = Wake(), Wake(), Wake(), Wake()
    options = Options(settings.tryon_version, settings.skin_format, settings.v2_share)
    bus = await stack.enter_async_context(
        open_bus(process, Service.PERFECT_ADAPTER, pool, subscriptions(options, dispatched.set), requests(pool))
    )
    line = await _open_line(bus, settings, dates)
    results = Results(vendor, objects, pictures)
    inputs = Inputs(settings.inputs, Signer.of(settings.s3_access(public=True)), objects, pictures, vendor)
    collector = Collector(
        line, vendor, results, settings.look_after_s, doubted.set, settings.deletes_copies_of, deleting.set, told
    )
    submitter = Submitter(
        line, vendor, inputs, results, _terms(settings), collector.task_begun, doubted.set, dispatched
    )
    resolver = Resolver(line, vendor, _patience(settings), told.set, dispatched.set, doubted)
    deleter = Deleter(line, vendor)
    width, finish_s = settings.max_in_flight, settings.stop_timeout_s / 3
    times = {"renew_every_s": settings.lease_s / 3, "finish_s": finish_s}
    lanes: dict[str, LeasedWorker[Any]] = {
        "submit": LeasedWorker("submit", submitter.claim, submitter.work, submitter.renew, width, dispatched, **times),
        "collect": LeasedWorker("collect", collector.claim, collector.work, collector.renew, width, told, **times),
        "resolve": LeasedWorker("resolve", resolver.claim, resolver.work, resolver.renew, 4, doubted, **times),
        "delete": LeasedWorker("delete", deleter.claim, deleter.work, deleter.renew, 2, deleting, **times),
    }
    for name, lane in lanes.items():
        process.background.start(name, lane.run())
    _start_steps(process, bus, line, vendor, dispatched, doubted)
    if settings.delete_copies:
        planner = CopyPlanner(bus.transaction, settings.deletes_copies_of, deleting.set)
        process.background.start("copies", work_loop(planner.step, Wake(), COPIES_EVERY_S))
    kept = Batcher(partial(keep_webhooks, bus.transaction, told.set))
    add_routes(process.app, Mailbox(settings.webhook_secrets), kept)


def _start_steps(  # noqa: PLR0913, PLR0917 what they need
    process: Process[Settings], bus: Bus, line: Line, vendor: Vendor, dispatched: Wake, doubted: Wake
) -> None:
    """What is looked after now and then."""
    settings = process.settings
    sweeper = sweep.Sweeper(bus.transaction, settings.quota_window_s, settings.lease_s / 5, doubted.set)
    prober = probe.Prober(line, vendor, settings.balance_every_s, dispatched.set)
    steps = {
        "sweep": (sweeper.step, sweep.EVERY_S),
        "probe": (prober.step, probe.EVERY_S),
        "capacity": (capacity.Teller(line, _terms(settings)).step, capacity.EVERY_S),
        "templates": (templates.Lister(line, vendor).step, templates.EVERY_S),
    }
    for name, (step, every_s) in steps.items():
        process.background.start(name, work_loop(step, Wake(), every_s))


async def _open_vendor(process: Process[Settings], dates: Dates) -> Perfect:
    settings, stack = process.settings, process.stack
    calls = await stack.enter_async_context(_session())
    insecure = settings.base.startswith("http:")
    # A session of its own: where results come from never sees a key.
    storage = await stack.enter_async_context(session_for_storage(public_only=not insecure))
    hosts = Hosts(settings.allowed_result_hosts, insecure=insecure)
    egress = settings.egress if insecure else ""
    return Perfect(
        Caller(calls, settings.base, settings.timeout_s, egress, dates),
        Classic(Caller(calls, settings.classic_base, settings.timeout_s, egress)),
        Downloads(storage, hosts),
        Uploads(storage, hosts),
    )


def _session() -> aiohttp.ClientSession:
    # As many connections as there are calls: how many there are is for the lanes to say.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar())


async def _open_line(bus: Bus, settings: Settings, dates: Dates) -> Line:
    ring = KeyRing(settings.api_keys, settings.api_keys_file, settings.egress)
    await ring.refresh(bus.transaction)
    budget = Budget(settings.quota_calls, settings.quota_window_s, settings.pace_per_s)
    return Line(bus.transaction, ring, settings.egress, budget, settings.lease_s, dates)


def _terms(settings: Settings) -> Terms:
    return Terms(
        rules=Rules(settings.aged_s, settings.weights, settings.tenant_in_flight),
        at_once=settings.orders_at_once,
        calls_per_task=settings.calls_per_task,
        look_after_s=settings.look_after_s,
        doubt_wait_s=settings.doubt_wait_s,
    )


def _patience(settings: Settings) -> Patience:
    policy = Policy(settings.doubt_policy)
    return Patience(settings.doubt_wait_s, policy, settings.doubt_repeats, settings.task_longest_s)
