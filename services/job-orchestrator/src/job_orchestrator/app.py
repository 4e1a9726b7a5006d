"""The service, put together."""

from functools import partial

from closet_chassis.lifecycle import Process
from closet_chassis.postgres import migrate, open_pool, pool_check
from closet_chassis.worker import Wake, work_loop
from closet_contracts.nouns import Service
from closet_messaging.bus import open_bus

from job_orchestrator.settings import Settings
from job_orchestrator.subscriptions import subscriptions
from job_orchestrator.worker import LOOK_EVERY_S, expire_due


async def build(process: Process[Settings]) -> None:
    """Wire everything; it is taken apart in reverse order."""
    settings = process.settings
    await migrate(settings.database_url, "closet_messaging", "job_orchestrator", apply=settings.migrate)
    pool = await process.stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    bus = await process.stack.enter_async_context(
        open_bus(process, Service.JOB_ORCHESTRATOR, pool, subscriptions(settings))
    )
    process.background.start("reaper", work_loop(partial(expire_due, bus.transaction), Wake(), LOOK_EVERY_S))
