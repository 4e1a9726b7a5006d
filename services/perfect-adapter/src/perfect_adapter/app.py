"""The composition root: the parts of the service, wired and started."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from closet_chassis.leased_work import LeasedWorker
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import open_pool, pool_check, prepare
from closet_chassis.worker import Wake, work_loop
from closet_contracts.ownership import Service
from closet_messaging.bus import open_bus
from closet_messaging.transaction import Begin
from closet_storage.objects import ObjectStore, open_store
from closet_storage.pool import PicturePool
from closet_storage.signing import Signer

from perfect_adapter.ambiguous import store as ambiguous_store
from perfect_adapter.ambiguous.decision import AmbiguityAction
from perfect_adapter.ambiguous.resolver import AmbiguityPolicy, AmbiguityResolver
from perfect_adapter.copies import deletion
from perfect_adapter.copies.deletion import CopyDeleter
from perfect_adapter.http import vendor_webhooks
from perfect_adapter.queue import capacity_publisher
from perfect_adapter.queue.assignment import OrderingPolicy
from perfect_adapter.queue.fair_queue import QueuePolicy
from perfect_adapter.queue.scheduler import Scheduler
from perfect_adapter.quota import key_health
from perfect_adapter.quota.api_keys import KeyRing
from perfect_adapter.quota.budget import Budget
from perfect_adapter.quota.gate import QuotaGate
from perfect_adapter.renders import sweep
from perfect_adapter.renders.collect import Collector
from perfect_adapter.renders.inputs import InputPreparer
from perfect_adapter.renders.results import ResultStorage
from perfect_adapter.renders.submit import Submitter
from perfect_adapter.rpc import requests
from perfect_adapter.settings import Settings
from perfect_adapter.subscriptions import subscriptions
from perfect_adapter.templates import sync
from perfect_adapter.vendor.classic import ClassicProfile
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.clock import ServerDates
from perfect_adapter.vendor.downloads import AllowedHosts, ResultDownloader, open_storage_session
from perfect_adapter.vendor.features import FeatureOptions
from perfect_adapter.vendor.signatures import WebhookVerifier
from perfect_adapter.vendor.transport import Transport
from perfect_adapter.vendor.uploads import InputUploader


@dataclass(frozen=True)
class Wakes:
    """What wakes each leased worker before its next poll of the database."""

    submit: Wake = field(default_factory=Wake)
    collect: Wake = field(default_factory=Wake)
    resolve: Wake = field(default_factory=Wake)
    delete: Wake = field(default_factory=Wake)


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Everything that works on rows: claimed with a lease, or in periodic steps."""

    submitter: Submitter
    collector: Collector
    resolver: AmbiguityResolver
    deleter: CopyDeleter
    sweeper: sweep.Sweeper
    health_check: key_health.KeyHealthCheck
    publisher: capacity_publisher.CapacityPublisher
    template_sync: sync.TemplateSync
    copy_planner: deletion.CopyPlanner


def assemble(  # noqa: PLR0913 the resources
    *,
    settings: Settings,
    gate: QuotaGate,
    vendor: VendorClient,
    objects: ObjectStore,
    pictures: PicturePool,
    wakes: Wakes,
) -> Workers:
    """Wire the workers, without I/O."""
    results = ResultStorage(vendor, objects, pictures)
    collector = Collector(
        gate=gate,
        vendor=vendor,
        results=results,
        poll_after_s=settings.poll_after_s,
        on_ambiguous=wakes.resolve.set,
        should_delete_copies=settings.deletes_copies_of,
        on_copy_to_delete=wakes.delete.set,
        wake=wakes.collect,
    )
    inputs = InputPreparer(
        mode=settings.inputs,
        signer=Signer.of(settings.s3_access(public=True)),
        objects=objects,
        pictures=pictures,
        vendor=vendor,
    )
    return Workers(
        submitter=Submitter(
            gate=gate,
            vendor=vendor,
            inputs=inputs,
            results=results,
            scheduler=Scheduler(gate, _ordering_policy(settings)),
            poll_after_s=settings.poll_after_s,
            on_task_started=collector.on_task_started,
            on_ambiguous=wakes.resolve.set,
            wake=wakes.submit,
        ),
        collector=collector,
        resolver=AmbiguityResolver(
            gate=gate,
            vendor=vendor,
            policy=_ambiguity_policy(settings),
            on_task_started=wakes.collect.set,
            on_key_available=wakes.submit.set,
            wake=wakes.resolve,
        ),
        deleter=CopyDeleter(gate, vendor),
        sweeper=_sweeper(settings, gate, wakes),
        health_check=key_health.KeyHealthCheck(gate, vendor, settings.balance_every_s, wakes.submit.set),
        publisher=capacity_publisher.CapacityPublisher(gate, _ordering_policy(settings)),
        template_sync=sync.TemplateSync(gate, vendor),
        copy_planner=deletion.CopyPlanner(gate.begin, settings.deletes_copies_of, wakes.delete.set),
    )


def _sweeper(settings: Settings, gate: QuotaGate, wakes: Wakes) -> sweep.Sweeper:
    return sweep.Sweeper(
        begin=gate.begin,
        quota_window_s=settings.quota_window_s,
        grace_s=settings.lease_s / 5,
        on_ambiguous=wakes.resolve.set,
        purges=[sweep.Purge(ambiguous_store.delete_old, sweep.DAY_S)],
    )


async def build(process: Process[Settings]) -> None:
    """Open the resources, wire the parts and start them; they are closed in reverse order."""
    settings, stack = process.settings, process.stack
    await prepare(settings, "closet_messaging", "perfect_adapter")
    pool = await stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    dates, wakes = ServerDates(), Wakes()
    vendor = await open_vendor(stack, settings, dates)
    objects = await stack.enter_async_context(open_store(Signer.of(settings.s3_access()), settings.s3_sse))
    pictures = await stack.enter_async_context(PicturePool(settings.picture_workers))
    options = FeatureOptions(settings.tryon_version, settings.skin_format, settings.v2_share)
    handlers = subscriptions(options, wakes.submit.set)
    bus = await stack.enter_async_context(open_bus(process, Service.PERFECT_ADAPTER, pool, handlers, requests(pool)))
    gate = await open_gate(bus.transaction, settings, dates)
    workers = assemble(settings=settings, gate=gate, vendor=vendor, objects=objects, pictures=pictures, wakes=wakes)
    _start_leased_workers(process, workers, wakes)
    _start_steps(process, workers)
    vendor_webhooks(WebhookVerifier(settings.webhook_secrets), bus.transaction, wakes.collect.set).add_to(process.app)


def _start_leased_workers(process: Process[Settings], workers: Workers, wakes: Wakes) -> None:
    settings, width = process.settings, process.settings.max_in_flight
    times = {"renew_every_s": settings.lease_s / 3, "finish_s": settings.stop_timeout_s / 3}
    submitter, collector, resolver, deleter = workers.submitter, workers.collector, workers.resolver, workers.deleter
    leased: dict[str, LeasedWorker[Any]] = {
        "submit": LeasedWorker(
            "submit", submitter.claim, submitter.work, submitter.renew, width, wakes.submit, **times
        ),
        "collect": LeasedWorker(
            "collect", collector.claim, collector.work, collector.renew, width, wakes.collect, **times
        ),
        "resolve": LeasedWorker("resolve", resolver.claim, resolver.work, resolver.renew, 4, wakes.resolve, **times),
        "delete": LeasedWorker("delete", deleter.claim, deleter.work, deleter.renew, 2, wakes.delete, **times),
    }
    for name, worker in leased.items():
        process.background.start(name, worker.run())


def _start_steps(process: Process[Settings], workers: Workers) -> None:
    steps = {
        "sweep": (workers.sweeper.step, sweep.EVERY_S),
        "key-health": (workers.health_check.step, key_health.EVERY_S),
        "capacity": (workers.publisher.step, capacity_publisher.EVERY_S),
        "templates": (workers.template_sync.step, sync.EVERY_S),
    }
    if process.settings.delete_copies:
        steps["copies"] = (workers.copy_planner.step, deletion.EVERY_S)
    for name, (step, every_s) in steps.items():
        process.background.start(name, work_loop(step, Wake(), every_s))


async def open_vendor(stack: AsyncExitStack, settings: Settings, dates: ServerDates) -> VendorClient:
    """Open the sessions to the vendor's API and to its storage."""
    calls = await stack.enter_async_context(_open_api_session())
    insecure = settings.base.startswith("http:")
    # A session of its own: the storage of results never sees a key.
    storage = await stack.enter_async_context(open_storage_session(public_only=not insecure))
    hosts = AllowedHosts(settings.allowed_result_hosts, insecure=insecure)
    egress = settings.egress if insecure else ""
    return VendorClient(
        Transport(calls, settings.base, settings.timeout_s, egress=egress, dates=dates),
        ClassicProfile(Transport(calls, settings.classic_base, settings.timeout_s, egress=egress)),
        ResultDownloader(storage, hosts),
        InputUploader(storage, hosts),
    )


def _open_api_session() -> aiohttp.ClientSession:
    # As many connections as there are calls: the leased workers limit those.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar())


async def open_gate(begin: Begin, settings: Settings, dates: ServerDates) -> QuotaGate:
    """Open the quota gate: make this process's keys known to the other replicas."""
    ring = KeyRing(settings.api_keys, settings.api_keys_file, settings.egress)
    await ring.refresh(begin)
    return QuotaGate(
        begin=begin,
        ring=ring,
        egress=settings.egress,
        budget=Budget(settings.quota_calls, settings.quota_window_s, settings.pace_per_s),
        lease_s=settings.lease_s,
        dates=dates,
    )


def _ordering_policy(settings: Settings) -> OrderingPolicy:
    return OrderingPolicy(
        queue=QueuePolicy(settings.aged_s, settings.weights, settings.tenant_in_flight),
        at_once=settings.orders_at_once,
        calls_per_task=settings.calls_per_task,
        ambiguous_wait_s=settings.ambiguous_wait_s,
    )


def _ambiguity_policy(settings: Settings) -> AmbiguityPolicy:
    return AmbiguityPolicy(
        wait_s=settings.ambiguous_wait_s,
        action=AmbiguityAction(settings.ambiguous_policy),
        repeats=settings.ambiguous_repeats,
        longest_s=settings.task_longest_s,
    )
