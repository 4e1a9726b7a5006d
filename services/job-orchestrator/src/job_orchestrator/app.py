"""The service, put together."""

from functools import partial

from closet_chassis.lifecycle import Process
from closet_chassis.postgres import open_pool, pool_check, prepare
from closet_chassis.worker import Wake, work_loop
from closet_contracts.ownership import Service
from closet_messaging.bus import open_bus

from job_orchestrator.settings import Settings
from job_orchestrator.subscriptions import subscriptions
from job_orchestrator.worker import LOOK_EVERY_S, expire_due, stop_withdrawn


async def build(process: Process[Settings]) -> None:
    """Wire everything; it is taken apart in reverse order."""
    settings = process.settings
    await prepare(settings, "closet_messaging", "job_orchestrator")
    pool = await process.stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    withdrawn = Wake()
    bus = await process.stack.enter_async_context(
        open_bus(process, Service.JOB_ORCHESTRATOR, pool, subscriptions(settings, withdrawn.set))
    )
    process.background.start("reaper", work_loop(partial(expire_due, bus.transaction), Wake(), LOOK_EVERY_S))
    process.background.start(
        "withdrawals", work_loop(partial(stop_withdrawn, bus.transaction), withdrawn, LOOK_EVERY_S)
    )
