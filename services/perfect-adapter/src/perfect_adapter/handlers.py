"""What is done about each event, and about what the vendor tells us."""

from collections.abc import Callable, Sequence

from closet_chassis.telemetry import current_traceparent
from closet_contracts.envelope import Event
from closet_contracts.job import JobCancelled, JobDispatched, JobExpired, JobStopRequested
from closet_contracts.render import RenderFailed
from closet_messaging import outbox
from closet_messaging.transaction import Begin, Tx

from perfect_adapter.domain.features import Options, feature_of
from perfect_adapter.domain.renders import PRIORITY_RANKS
from perfect_adapter.store import renders, webhooks
from perfect_adapter.store.webhooks import Webhook


async def begin_render(options: Options, wake: Callable[[], None], tx: Tx, event: Event[JobDispatched]) -> None:
    """Take the work on; it is submitted as soon as the quota allows."""
    job = event.data
    inputs = {item.role: item.asset for item in job.inputs}
    feature = feature_of(job.work, inputs, options, job.user_id)
    tx.defer(
        renders.BEGIN,
        f"{job.job_id}.{job.item}.{job.attempt}",
        job.job_id,
        job.item,
        job.attempt,
        event.tenantid,
        job.work.model_dump(mode="json"),
        {role.value: asset.model_dump(mode="json") for role, asset in inputs.items()},
        feature.name,
        feature.units(job.work),
        PRIORITY_RANKS[job.priority],
        job.deadline,
        event.id,
        current_traceparent() or event.traceparent,
    )
    tx.after_commit(wake)


async def stop_job(tx: Tx, event: Event[JobStopRequested]) -> None:
    """Order nothing more for this job, and tell so of each task that was not; the others are told of as ever."""
    tx.defer(renders.END_JOB, event.data.job_id)
    for render in await renders.drop_waiting(tx.conn, event.data.job_id):
        failed = RenderFailed(
            job_id=render.job_id,
            item=render.item,
            attempt=render.attempt,
            vendor_calls=0,
            vendor_ms=0,
            code=event.data.code,
            message="This picture is no longer wanted.",
            retryable=False,
        )
        outbox.add(tx, failed, tenant=render.tenant_id, cause=event)


async def end_job(tx: Tx, event: Event[JobCancelled] | Event[JobExpired]) -> None:
    """Submit nothing more for this job, and look no more at what was submitted: a task cannot be cancelled."""
    tx.defer(renders.DROP, event.data.job_id)
    tx.defer(renders.END_JOB, event.data.job_id)


async def keep_webhooks(begin: Begin, wake: Callable[[], None], messages: Sequence[Webhook]) -> Sequence[None]:
    """Store what the vendor told us; the work is done from the table."""
    async with begin() as tx:
        await webhooks.keep(tx.conn, messages)
        tx.after_commit(wake)
    return [None] * len(messages)
