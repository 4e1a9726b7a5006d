"""What is done about each event, and about what the vendor tells us."""

from collections.abc import Callable, Sequence

from closet_chassis.telemetry import current_traceparent
from closet_contracts.envelope import Event
from closet_contracts.job import JobCancelled, JobDispatched, JobExpired
from closet_messaging.unit import Begin, Tx

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


async def end_job(tx: Tx, event: Event[JobCancelled] | Event[JobExpired]) -> None:
    """Submit nothing more for this job, and look no more at what was submitted: a task cannot be cancelled."""
    tx.defer(renders.END_JOB, event.data.job_id)
    tx.defer(renders.DROP, event.data.job_id)


async def keep_webhooks(begin: Begin, wake: Callable[[], None], messages: Sequence[Webhook]) -> Sequence[None]:
    """Store what the vendor told us; the work is done from the table."""
    async with begin() as tx:
        await webhooks.keep(tx.conn, messages)
        tx.after_commit(wake)
    return [None] * len(messages)
