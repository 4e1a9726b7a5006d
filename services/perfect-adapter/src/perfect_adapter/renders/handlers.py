"""Handlers: one function for each event, and one for the vendor's webhooks."""

from collections.abc import Callable, Sequence

from closet_chassis.telemetry import current_traceparent
from closet_contracts.envelope import Event
from closet_contracts.job import JobCancelled, JobDispatched, JobExpired, JobStopRequested
from closet_contracts.render import RenderFailed
from closet_messaging import outbox
from closet_messaging.transaction import Begin, Tx

from perfect_adapter.queue.fair_queue import PRIORITY_RANKS
from perfect_adapter.renders import store, webhooks
from perfect_adapter.vendor.features import FeatureOptions, feature_of
from perfect_adapter.vendor.signatures import VendorWebhook


async def enqueue_render(
    options: FeatureOptions, on_render_queued: Callable[[], None], tx: Tx, event: Event[JobDispatched]
) -> None:
    """Queue the render; it is submitted as soon as the quota allows."""
    job = event.data
    inputs = {item.role: item.asset for item in job.inputs}
    feature = feature_of(job.work, inputs, options, job.user_id)
    render = store.NewRender(
        render_id=f"{job.job_id}.{job.item}.{job.attempt}",
        job_id=job.job_id,
        item=job.item,
        attempt=job.attempt,
        tenant_id=event.tenantid,
        work=job.work.model_dump(mode="json"),
        inputs={role.value: asset.model_dump(mode="json") for role, asset in inputs.items()},
        feature=feature.name,
        units=feature.units(job.work),
        rank=PRIORITY_RANKS[job.priority],
        deadline=job.deadline,
        cause_id=event.id,
        traceparent=current_traceparent() or event.traceparent,
    )
    tx.defer(store.INSERT, *render)
    tx.after_commit(on_render_queued)


async def stop_job(tx: Tx, event: Event[JobStopRequested]) -> None:
    """Order nothing more for this job, and fail each render that was not ordered; the others end as usual."""
    tx.defer(store.END_JOB, event.data.job_id)
    for render in await store.drop_waiting(tx.conn, event.data.job_id):
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
    """Submit nothing more for this job, and poll no task of it any more: a task cannot be cancelled."""
    tx.defer(store.DROP, event.data.job_id)
    tx.defer(store.END_JOB, event.data.job_id)


async def store_webhooks(
    begin: Begin, on_task_finished: Callable[[], None], messages: Sequence[VendorWebhook]
) -> Sequence[bool]:
    """Store the vendor's webhooks, to be processed from the table; return for each whether it is new."""
    async with begin() as tx:
        new = await webhooks.add(tx.conn, messages)
        tx.after_commit(on_task_finished)
    return [one.webhook_id in new for one in messages]
