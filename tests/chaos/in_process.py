"""The five services in one process and without a bus: their handlers, their databases, their workers' steps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import billing_meter.settings
import billing_meter.subscriptions
import job_orchestrator.settings
import job_orchestrator.subscriptions
import kiosk_gateway.subscriptions
import perfect_adapter.settings
import perfect_adapter.subscriptions
import upload_signer.subscriptions
from aiohttp import web
from billing_meter.store.prices import PriceBooks
from closet_chassis.leased_work import Claimed
from closet_chassis.postgres import Pool, close_pool, create_pool
from closet_contracts.ownership import Service
from closet_devstack.servers.perfect import PerfectServer
from closet_devstack.servers.s3 import S3Server
from closet_messaging.inbox import Handlers
from closet_messaging.transaction import Begin, OutboxRow, Tx, transaction
from closet_storage.objects import ObjectStore, open_store
from closet_storage.pool import PicturePool
from closet_storage.signing import Signer
from job_orchestrator.worker import end_due_jobs, stop_withdrawn_jobs
from kiosk_gateway.handlers import uploads as gateway_uploads
from kiosk_gateway.handlers.admission import Admission, DurationEstimator
from kiosk_gateway.handlers.intake import Intake
from kiosk_gateway.handlers.projection import JobChangeNotifier, JobWatchers
from perfect_adapter.app import Wakes, assemble, open_gate, open_vendor
from perfect_adapter.http import PATH, vendor_webhooks
from perfect_adapter.vendor.clock import ServerDates
from perfect_adapter.vendor.features import FeatureOptions
from perfect_adapter.vendor.signatures import WebhookVerifier
from upload_signer.worker import UploadChecker

CONSENT_VERSION = "v2.0"
NO_BUS = "nats://nowhere"
LIVES_S = 900
POLL_AFTER_S = 1.0
WIDTH = 8

Pools = Mapping[Service, Pool]
Step = Callable[[], Awaitable[bool]]


def packages(service: Service) -> tuple[str, str]:
    """Whose migrations its database needs."""
    return "closet_messaging", service.value.replace("-", "_")


class Worker(Protocol):
    """What a lane is made of."""

    async def claim(self, limit: int) -> Claimed[Any]: ...

    async def work(self, item: Any) -> None: ...


@dataclass(frozen=True)
class NoRelay:
    """Nothing is published: what was emitted stays in the outboxes, where the man in the middle finds it."""

    service: Service

    def enqueue(self, rows: Sequence[OutboxRow]) -> None: ...


@dataclass(frozen=True)
class InProcessServices:
    """The services, ready to be given events and to be told to work.

    `late_intake` takes requests whose deadline is over at once. `before_vendor` are the steps of the workers that need
    no vendor, `at_vendor` those of perfect-adapter; each tells whether there was something to do.
    """

    pools: Pools
    handlers: Mapping[Service, Handlers]
    intake: Intake
    late_intake: Intake
    uploads: gateway_uploads.Uploads
    objects: ObjectStore
    before_vendor: Sequence[Step]
    at_vendor: Sequence[Step]
    webhook_url: str

    def transaction(self, service: Service) -> AbstractAsyncContextManager[Tx]:
        """A unit of work in that service's database."""
        return transaction(self.pools[service], NoRelay(service))

    def begin(self, service: Service) -> Begin:
        """What opens one."""
        return partial(self.transaction, service)


@asynccontextmanager
async def open_in_process(
    urls: Mapping[Service, str], s3: S3Server, vendor: PerfectServer
) -> AsyncIterator[InProcessServices]:
    """Put the services together as their `app.build` does, on these databases."""
    async with AsyncExitStack() as stack:
        pools = {service: await _open_pool(stack, url) for service, url in urls.items()}
        begin = {service: partial(transaction, pool, NoRelay(service)) for service, pool in pools.items()}
        checker = await _checker(stack, begin[Service.UPLOAD_SIGNER], s3)
        adapter = urls[Service.PERFECT_ADAPTER]
        at_vendor = await _at_vendor(stack, adapter, begin[Service.PERFECT_ADAPTER], s3, vendor)
        gateway = begin[Service.KIOSK_GATEWAY]
        yield InProcessServices(
            pools=pools,
            handlers=_handlers(urls),
            intake=Intake(gateway, Admission(DurationEstimator(), LIVES_S), CONSENT_VERSION, LIVES_S),
            late_intake=Intake(gateway, Admission(DurationEstimator(), LIVES_S), CONSENT_VERSION, 0),
            uploads=gateway_uploads.Uploads(gateway),
            objects=await stack.enter_async_context(open_store(Signer.of(s3.access()))),
            before_vendor=(partial(_round, checker), partial(_reap, pools[Service.JOB_ORCHESTRATOR])),
            at_vendor=at_vendor,
            webhook_url=await _webhook_endpoint(stack, begin[Service.PERFECT_ADAPTER], vendor),
        )


def _handlers(urls: Mapping[Service, str]) -> Mapping[Service, Handlers]:
    """Every service's own table; the wakes of its workers lead nowhere."""

    billing = billing_meter.settings.Settings(database_url=urls[Service.BILLING_METER], nats_url=NO_BUS)
    orchestrator = job_orchestrator.settings.Settings(database_url=urls[Service.JOB_ORCHESTRATOR], nats_url=NO_BUS)
    return {
        Service.UPLOAD_SIGNER: upload_signer.subscriptions.subscriptions(_asleep),
        Service.JOB_ORCHESTRATOR: job_orchestrator.subscriptions.subscriptions(orchestrator, _asleep),
        Service.PERFECT_ADAPTER: perfect_adapter.subscriptions.subscriptions(FeatureOptions(), _asleep),
        Service.BILLING_METER: billing_meter.subscriptions.subscriptions(billing, PriceBooks()),
        Service.KIOSK_GATEWAY: kiosk_gateway.subscriptions.subscriptions(JobChangeNotifier(JobWatchers())),
    }


def _asleep() -> None: ...


async def _open_pool(stack: AsyncExitStack, url: str) -> Pool:
    pool = await create_pool(url, 10)
    stack.push_async_callback(close_pool, pool)
    return pool


async def _checker(stack: AsyncExitStack, begin: Begin, s3: S3Server) -> UploadChecker:
    objects = await stack.enter_async_context(open_store(Signer.of(s3.access(Service.UPLOAD_SIGNER)), "AES256"))
    return UploadChecker(begin, objects, await stack.enter_async_context(PicturePool()))


async def _at_vendor(
    stack: AsyncExitStack, url: str, begin: Begin, s3: S3Server, vendor: PerfectServer
) -> Sequence[Step]:
    settings = perfect_adapter.settings.Settings.model_validate(
        {
            **s3.env(Service.PERFECT_ADAPTER),
            **vendor.env(),
            "database_url": url,
            "nats_url": NO_BUS,
            "PERFECT_EGRESS": "chaos",
            "PERFECT_QUOTA_CALLS": 0,
            "PERFECT_PACE_PER_S": 0,
            "PERFECT_ORDERS_AT_ONCE": WIDTH,
            "PERFECT_POLL_AFTER_S": POLL_AFTER_S,
            "PERFECT_TIMEOUT_S": 30,
            "PERFECT_AMBIGUOUS_WAIT_S": 30,
        }
    )
    dates = ServerDates()
    workers = assemble(
        settings=settings,
        gate=await open_gate(begin, settings, dates),
        vendor=await open_vendor(stack, settings, dates),
        objects=await stack.enter_async_context(open_store(Signer.of(settings.s3_access()), settings.s3_sse)),
        pictures=await stack.enter_async_context(PicturePool()),
        wakes=Wakes(),
    )
    leased = (workers.submitter, workers.collector, workers.resolver)
    return *(partial(_round, worker) for worker in leased), workers.sweeper.step


async def _webhook_endpoint(stack: AsyncExitStack, begin: Begin, vendor: PerfectServer) -> str:
    """Where the vendor may tell of its tasks' ends; returns the URL."""
    app = web.Application()
    vendor_webhooks(WebhookVerifier([vendor.webhook_secret]), begin, _asleep).add_to(app)
    runner = web.AppRunner(app)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    return f"http://127.0.0.1:{port}{PATH}"


async def _round(worker: Worker) -> bool:
    """Claim what is due and do it, as a lane would."""
    claimed = await worker.claim(WIDTH)
    await asyncio.gather(*(worker.work(item) for item in claimed.items))
    return bool(claimed.items)


async def _reap(pool: Pool) -> bool:
    """End what is to end. Of a cancelled job nothing is heard for as long as it would wait for."""
    await pool.execute("UPDATE jobs SET settle_at = now() WHERE settle_at > now()")
    begin = partial(transaction, pool, NoRelay(Service.JOB_ORCHESTRATOR))
    return any([await end_due_jobs(begin) is True, await stop_withdrawn_jobs(begin) is True])
