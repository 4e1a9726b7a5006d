"""Letting a fact happen to a job: what changed is written, what is to be told is told."""

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

from job_orchestrator.domain.facts import Complete, DeadlinePassed, Dispatch, End, Fact, News, Settle
from job_orchestrator.domain.job import OPEN, Phase, Reason
from job_orchestrator.domain.life import apply
from job_orchestrator.store import jobs
from job_orchestrator.store.attempts import Attempt, note_attempt
from job_orchestrator.store.jobs import Row

DURATION = Histogram(
    "gen_job_duration_seconds",
    "From a job's acceptance to its end",
    ("type", "status"),
    buckets=(5, 10, 30, 60, 120, 300),
)

SETTLE_AFTER = timedelta(seconds=5)
"""How long a cancelled job waits for word of what the vendor has begun, where work is on its way there."""


def advance(tx: Tx, row: Row, fact: Fact, cause: Event[Any] | None) -> None:
    """Let `fact` happen to the locked job: write what changed, tell what is to be told.

    Of a job that is past its deadline nothing can be made any more, whatever is heard late: its client may have been
    told so already.
    """
    now = tx.now()
    after, told = apply(row.job, DeadlinePassed() if row.deadline <= now else fact)
    if after is row.job:
        return
    row.job = after
    for news in told:
        if isinstance(news, Settle):
            row.settle_at = now + SETTLE_AFTER
        elif isinstance(news, End):
            row.reason = _reason_of(row, news)
    jobs.save(tx, row)
    for data in _facts(row, told):
        outbox.add(tx, data, tenant=row.tenant_id, cause=cause)
        if isinstance(data, JobDispatched):
            note_attempt(tx, Attempt(row.job_id, data.item, data.attempt, dispatched_at=now))
    if row.job.phase not in OPEN:
        lasted = (now - row.accepted_at).total_seconds()
        tx.after_commit(partial(DURATION.labels(row.kind, row.job.phase.value).observe, lasted))


def _reason_of(row: Row, end: End) -> Reason:
    """Why it ended, and if its owner gave it up, what that costs."""
    if end.phase is not Phase.CANCELLED:
        return end.reason
    credits = _credits(row)
    charged = f"{credits} credits are charged for what had been begun." if credits else "Nothing is charged."
    return replace(end.reason, message=f"{end.reason.message} {charged}")


def _credits(row: Row) -> int:
    return row.job.due(row.request["price"]["credits"])


def _facts(row: Row, told: Sequence[News]) -> Iterator[EventData]:
    tasks = tasks_of(WORK.validate_python(row.request["work"])) if told and isinstance(told[0], Dispatch) else ()
    for news in told:
        match news:
            case Dispatch(item, attempt):
                yield _dispatched(row, tasks[item], item, attempt)
            case Complete():
                yield _completed(row)
            case End():
                yield _unfinished(row, news)
            case Settle():
                yield _stopping(row)
            case _:
                assert_never(news)


def _dispatched(row: Row, task: Task, item: int, attempt: int) -> JobDispatched:
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


def _stopping(row: Row) -> JobStopRequested:
    code = row.job.stopping.code if row.job.stopping else ""
    return JobStopRequested(job_id=row.job_id, user_id=row.user_id, version=row.job.version, code=code)


def _completed(row: Row) -> JobCompleted:
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
        **_common(row),
        kind=row.kind,
        results=_results(row),
        failures=tuple(failures),
        credits=_credits(row),
        vendor_ms=row.job.vendor_ms,
    )


def _results(row: Row) -> tuple[ResultFile, ...]:
    """What was made, in the order of the items."""
    return tuple(
        ResultFile.model_validate({**result, "item": number})
        for number in range(len(row.job.items))
        for result in row.results.get(str(number), ())
    )


def _unfinished(row: Row, end: End) -> JobFailed | JobCancelled | JobExpired:
    reason = row.reason or end.reason
    told = {**_common(row), "code": reason.code, "message": reason.message, "tip": reason.tip}
    match end.phase:
        case Phase.CANCELLED:
            return JobCancelled(**told, credits=_credits(row), results=_results(row))
        case Phase.EXPIRED:
            return JobExpired(**told)
        case _:
            several = len(row.job.items) > 1
            first = next((number for number, item in enumerate(row.job.items) if item.reason), None)
            return JobFailed(**told, item=first if several else None, role=_role(reason))


def _role(reason: Reason) -> Role | None:
    return Role(reason.role) if reason.role else None


def _common(row: Row) -> dict[str, Any]:
    return {
        "job_id": row.job_id,
        "user_id": row.user_id,
        "version": row.job.version,
        "attempts": row.job.attempt,
    }
