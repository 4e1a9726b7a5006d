"""Apply a fact to a job: write what changed, and emit the events that follow."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, assert_never

from closet_contracts.envelope import Event, EventData
from closet_contracts.job import (
    InputAsset,
    ItemFailure,
    JobCancelled,
    JobCompleted,
    JobDispatched,
    JobExpired,
    JobFailed,
    JobStopRequested,
)
from closet_contracts.render import ResultFile
from closet_contracts.upload import Asset
from closet_contracts.work import WORK, Role, Task, tasks_of
from closet_messaging import outbox
from closet_messaging.transaction import Tx
from prometheus_client import Histogram

from job_orchestrator.domain.effects import Completion, Dispatch, Effect, End, StopRequest
from job_orchestrator.domain.facts import DeadlinePassed, Fact
from job_orchestrator.domain.job import OPEN_PHASES, Phase, Reason
from job_orchestrator.domain.transitions import apply
from job_orchestrator.store import jobs
from job_orchestrator.store.attempts import Attempt, record_attempt
from job_orchestrator.store.jobs import JobRow

DURATION = Histogram(
    "gen_job_duration_seconds",
    "Seconds from a job's acceptance to its end",
    ("type", "status"),
    buckets=(5, 10, 30, 60, 120, 300),
)

SETTLE_AFTER = timedelta(seconds=5)
"""How long a cancelled job with dispatched items waits to learn whether the vendor started them."""


def advance(tx: Tx, row: JobRow, fact: Fact, cause: Event[Any] | None) -> None:
    """Apply `fact` to the locked job: write what changed, and emit the events that follow.

    A job past its deadline expires, whatever fact arrives late: its client may already know that it expired.
    """
    now = tx.now()
    after, effects = apply(row.job, DeadlinePassed() if row.deadline <= now else fact)
    if after is row.job:
        return
    row.job = after
    for effect in effects:
        if isinstance(effect, StopRequest):
            row.settle_at = now + SETTLE_AFTER
        elif isinstance(effect, End):
            row.reason = _reason_of(row, effect)
    jobs.save(tx, row)
    _emit(tx, row, effects, cause)
    if row.job.phase not in OPEN_PHASES:
        duration_s = (now - row.accepted_at).total_seconds()
        tx.after_commit(partial(DURATION.labels(row.kind, row.job.phase.value).observe, duration_s))


def _emit(tx: Tx, row: JobRow, effects: Sequence[Effect], cause: Event[Any] | None) -> None:
    for data in _events(row, effects):
        outbox.add(tx, data, tenant=row.tenant_id, cause=cause)
        if isinstance(data, JobDispatched):
            record_attempt(tx, Attempt(row.job_id, data.item, data.attempt, dispatched_at=tx.now()))


def _reason_of(row: JobRow, end: End) -> Reason:
    """Return why the job ended; if it was cancelled, the message also says what is charged."""
    if end.phase is not Phase.CANCELLED:
        return end.reason
    credits = _amount_due(row)
    charged = f"{credits} credits are charged for what had been begun." if credits else "Nothing is charged."
    return replace(end.reason, message=f"{end.reason.message} {charged}")


def _amount_due(row: JobRow) -> int:
    return row.job.amount_due(row.request["price"]["credits"])


def _events(row: JobRow, effects: Sequence[Effect]) -> Iterator[EventData]:
    dispatches = any(isinstance(effect, Dispatch) for effect in effects)
    tasks = tasks_of(WORK.validate_python(row.request["work"])) if dispatches else ()
    for effect in effects:
        match effect:
            case Dispatch(item, attempt):
                yield _dispatched(row, tasks[item], item, attempt)
            case Completion():
                yield _completed(row)
            case End():
                yield _ended(row, effect)
            case StopRequest():
                yield _stop_requested(row)
            case _:
                assert_never(effect)


def _dispatched(row: JobRow, task: Task, item: int, attempt: int) -> JobDispatched:
    parts = [part for part in row.request["inputs"] if part.get("item", 0) == item]
    return JobDispatched(
        job_id=row.job_id,
        user_id=row.user_id,
        version=row.job.version,
        item=item,
        attempt=attempt,
        work=task,
        inputs=tuple(
            InputAsset(role=part["role"], asset=Asset.model_validate(row.assets[part["uploadId"]])) for part in parts
        ),
        priority=row.request["priority"],
        deadline=row.deadline,
    )


def _stop_requested(row: JobRow) -> JobStopRequested:
    code = row.job.stop_reason.code if row.job.stop_reason else ""
    return JobStopRequested(job_id=row.job_id, user_id=row.user_id, version=row.job.version, code=code)


def _completed(row: JobRow) -> JobCompleted:
    failures = [
        ItemFailure(
            item=number,
            code=item.reason.code,
            message=item.reason.message,
            tip=item.reason.tip,
            role=_role(item.reason),
        )
        for number, item in enumerate(row.job.items)
        if item.reason
    ]
    return JobCompleted(
        **_common_fields(row),
        kind=row.kind,
        results=_results(row),
        failures=tuple(failures),
        credits=_amount_due(row),
        vendor_ms=row.job.vendor_ms,
    )


def _results(row: JobRow) -> tuple[ResultFile, ...]:
    """Return the result files in the order of the items."""
    return tuple(
        ResultFile.model_validate({**result, "item": number})
        for number in range(len(row.job.items))
        for result in row.results.get(str(number), ())
    )


def _ended(row: JobRow, end: End) -> JobFailed | JobCancelled | JobExpired:
    reason = row.reason or end.reason
    fields = {**_common_fields(row), "code": reason.code, "message": reason.message, "tip": reason.tip}
    match end.phase:
        case Phase.CANCELLED:
            return JobCancelled(**fields, credits=_amount_due(row), results=_results(row))
        case Phase.EXPIRED:
            return JobExpired(**fields)
        case _:
            has_several_items = len(row.job.items) > 1
            first = next((number for number, item in enumerate(row.job.items) if item.reason), None)
            return JobFailed(**fields, item=first if has_several_items else None, role=_role(reason))


def _role(reason: Reason) -> Role | None:
    return Role(reason.role) if reason.role else None


def _common_fields(row: JobRow) -> dict[str, Any]:
    return {
        "job_id": row.job_id,
        "user_id": row.user_id,
        "version": row.job.version,
        "attempts": row.job.attempt,
    }
