"""`python -m job_orchestrator recover`: bring jobs to their last state; each ends as was emitted, and only once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from closet_contracts.codec import decode
from closet_contracts.envelope import Event, EventData
from closet_contracts.job import JobCancelled, JobCompleted, JobExpired, JobFailed, JobStopRequested
from closet_contracts.ownership import Service
from closet_messaging.inbox import Handler
from closet_messaging.transaction import Tx
from closet_recovery.command import parser, run
from closet_recovery.recovery import Diverged, Plan

from job_orchestrator.domain.job import CANCELLED_BY_OWNER, CONSENT_WITHDRAWN, OPEN_PHASES, Phase, Reason
from job_orchestrator.handlers.events import UnknownJob
from job_orchestrator.settings import Settings
from job_orchestrator.store import jobs, recovery
from job_orchestrator.store.jobs import JobRow
from job_orchestrator.subscriptions import subscriptions

_ENDS: Mapping[type[EventData], Phase] = {
    JobCompleted: Phase.COMPLETED,
    JobFailed: Phase.FAILED,
    JobCancelled: Phase.CANCELLED,
    JobExpired: Phase.EXPIRED,
}
_END_TYPES = frozenset(model.TYPE for model in _ENDS)


def main(arguments: Sequence[str]) -> int:
    """Recover; see `closet_recovery.command.run`."""
    return run(Settings, "job_orchestrator", plan, parser("job_orchestrator").parse_args(arguments))


def plan(settings: Settings) -> Plan:
    """Return the plan. No reaper runs: a deadline counts by the time at which an event was first handled."""
    handlers = subscriptions(settings, lambda: None)
    return Plan(
        service=Service.JOB_ORCHESTRATOR,
        handlers={model: partial(_handle_without_repeated_end, handler) for model, handler in handlers.items()},
        facts={**dict.fromkeys(_ENDS, _end), JobStopRequested: _stop},
    )


async def _handle_without_repeated_end(handler: Handler, tx: Tx, event: Event[Any]) -> None:
    """Handle the event, but do not emit the final event of a job a second time, and never another than the first.

    Raises:
        Diverged: the job would end otherwise than it did.
    """
    await handler(tx, event)
    for row in [row for row in tx.outbox if row.subject in _END_TYPES]:
        emitted = await recovery.find_emitted_end(tx.conn, decode(row.payload).subject, _END_TYPES)
        if emitted == row.subject:
            tx.outbox.remove(row)
        elif emitted is not None:
            raise Diverged(f"{emitted} was emitted about {event.correlationid}, and now it would be {row.subject}")


async def _end(tx: Tx, event: Event[JobCompleted | JobFailed | JobCancelled | JobExpired]) -> None:
    data, row = event.data, await _lock_job(tx, event)
    if row.job.phase in OPEN_PHASES:
        row.job = replace(row.job, phase=_ENDS[type(data)], version=data.version)
        row.reason = None if isinstance(data, JobCompleted) else Reason(data.code, data.message, data.tip)
        jobs.save(tx, row)


async def _stop(tx: Tx, event: Event[JobStopRequested]) -> None:
    row = await _lock_job(tx, event)
    if row.job.phase in OPEN_PHASES and row.job.stop_reason is None:
        reasons = {reason.code: reason for reason in (CANCELLED_BY_OWNER, CONSENT_WITHDRAWN)}
        reason = reasons.get(event.data.code, CANCELLED_BY_OWNER)
        row.job = replace(row.job, stop_reason=reason, version=event.data.version)
        row.settle_at = tx.now()
        jobs.save(tx, row)


async def _lock_job(tx: Tx, event: Event[Any]) -> JobRow:
    row = await jobs.lock(tx, event.data.job_id, event.tenantid)
    if row is None:
        raise UnknownJob(event.data.job_id)
    return row
