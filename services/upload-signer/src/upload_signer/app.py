"""The composition of the service."""

from closet_chassis.leased_work import LeasedWorker
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import open_pool, pool_check, prepare
from closet_chassis.worker import Wake, work_loop
from closet_contracts.ownership import Service
from closet_messaging.bus import open_bus
from closet_storage.objects import open_store
from closet_storage.pool import PicturePool
from closet_storage.signing import Signer

from upload_signer.domain import TENANT_LIMIT_PER_DECODER
from upload_signer.rpc import requests
from upload_signer.settings import Settings
from upload_signer.subscriptions import subscriptions
from upload_signer.worker import SWEEP_AFTER_S, UploadChecker


async def build(process: Process[Settings]) -> None:
    """Open the resources, wire and start the service. The process closes everything in reverse order."""
    settings, stack = process.settings, process.stack
    await prepare(settings, "closet_messaging", "upload_signer")
    pool = await stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    objects = await stack.enter_async_context(open_store(Signer.of(settings.s3_access()), settings.s3_sse))
    pictures = await stack.enter_async_context(PicturePool(settings.picture_workers))
    wake = Wake()
    answers = requests(pool, Signer.of(settings.s3_access(public=True)), settings.s3_sse, settings.s3_upload_tag)
    bus = await stack.enter_async_context(
        open_bus(process, Service.UPLOAD_SIGNER, pool, subscriptions(wake.set), answers)
    )
    checker = UploadChecker(bus.transaction, objects, pictures, settings.picture_workers * TENANT_LIMIT_PER_DECODER)
    worker = LeasedWorker(
        "checks",
        checker.claim,
        checker.work,
        checker.renew,
        concurrency=settings.check_width,
        wake=wake,
        finish_s=settings.stop_timeout_s / 3,
    )
    process.background.start("checks", worker.run())
    process.background.start("sweep", work_loop(checker.sweep, Wake(), SWEEP_AFTER_S))
