"""The composition of the service."""

from functools import partial

from closet_chassis.lifecycle import Process
from closet_chassis.postgres import open_pool, pool_check, prepare
from closet_chassis.worker import Wake, work_loop
from closet_contracts.ownership import Service
from closet_messaging.bus import open_bus

from job_orchestrator.settings import Settings
from job_orchestrator.subscriptions import subscriptions
from job_orchestrator.worker import POLL_INTERVAL_S, end_due_jobs, stop_withdrawn_jobs


async def build(process: Process[Settings]) -> None:
    """Open the resources, wire and start the service. The process closes everything in reverse order."""
    settings = process.settings
    await prepare(settings, "closet_messaging", "job_orchestrator")
    pool = await process.stack.enter_async_context(open_pool(settings))
    process.readiness.add("database", pool_check(pool))
    wake_withdrawals = Wake()
    bus = await process.stack.enter_async_context(
        open_bus(process, Service.JOB_ORCHESTRATOR, pool, subscriptions(settings, wake_withdrawals.set))
    )
    process.background.start("reaper", work_loop(partial(end_due_jobs, bus.transaction), Wake(), POLL_INTERVAL_S))
    process.background.start(
        "withdrawals", work_loop(partial(stop_withdrawn_jobs, bus.transaction), wake_withdrawals, POLL_INTERVAL_S)
    )
