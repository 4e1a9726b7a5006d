"""What others said of jobs, kept to compare the books with. Nobody reads it in the transaction that writes it."""

from closet_contracts.envelope import Event
from closet_contracts.job import JobCancelled, JobCompleted, JobExpired, JobFailed
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_messaging.transaction import Tx

JobEnd = JobCompleted | JobFailed | JobCancelled | JobExpired


def keep_end(tx: Tx, event: Event[JobEnd]) -> None:
    """How a job ended, and what it is to be charged."""
    job = event.data
    credits = job.credits if isinstance(job, JobCompleted | JobCancelled) else 0
    tx.defer(_END, job.job_id, event.tenantid, job.TYPE.split(".")[2], credits, event.time)


def keep_render(tx: Tx, event: Event[RenderSucceeded | RenderFailed]) -> None:
    """What an attempt at the vendor took."""
    render = event.data
    render_id = render.aggregate().partition("/")[2]
    is_good = isinstance(render, RenderSucceeded)
    tx.defer(_RENDER, render_id, render.job_id, event.tenantid, is_good, render.vendor_calls, event.time)


_END = """
    INSERT INTO job_ends (job_id, tenant_id, phase, credits, ended_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
"""
_RENDER = """
    INSERT INTO job_renders (render_id, job_id, tenant_id, succeeded, vendor_calls, ended_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""
