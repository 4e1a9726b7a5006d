"""Letting a fact happen to a job: what changed is written, what is to be told is told."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from closet_contracts.envelope import Event, EventData
from closet_contracts.job import (
    InputAsset,
    ItemFailure,
    JobCancelled,
    JobCompleted,
    JobDispatched,
    JobExpired,
    JobFailed,
)
from closet_contracts.render import ResultFile
from closet_contracts.upload import Asset
from closet_contracts.work import WORK, Task, tasks_of
from closet_messaging import outbox
from closet_messaging.unit import Tx
from prometheus_client import Histogram

from job_orchestrator import store
from job_orchestrator.domain.facts import Complete, Dispatch, End, Fact, News
from job_orchestrator.domain.job import Phase
from job_orchestrator.domain.life import apply
from job_orchestrator.store import Attempt, Row

DURATION = Histogram(
    "gen_job_duration_seconds",
    "From a job's acceptance to its end",
    ("type", "status"),
    buckets=(5, 10, 30, 60, 120, 300),
)

_ENDED: Mapping[Phase, type[JobFailed | JobCancelled | JobExpired]] = {
    Phase.FAILED: JobFailed,
    Phase.CANCELLED: JobCancelled,
    Phase.EXPIRED: JobExpired,
}


def advance(tx: Tx, row: Row, fact: Fact, cause: Event[Any] | None) -> None:
    """Let `fact` happen to the locked job: write what changed, tell what is to be told."""
    after, told = apply(row.job, fact)
    if after is row.job:
        return
    row.job = after
    row.reason = next((news.reason for news in told if isinstance(news, End)), None)
    store.save(tx, row)
    if told:
        _tell(tx, row, told, cause)


def _tell(tx: Tx, row: Row, told: Sequence[News], cause: Event[Any] | None) -> None:
    for data in _facts(row, told):
        outbox.add(tx, data, tenant=row.tenant_id, cause=cause)
        if isinstance(data, JobDispatched):
            now = datetime.now(UTC)
            store.note_attempt(tx, Attempt(row.job_id, data.item, data.attempt, dispatched_at=now))
        else:
            lasted = (datetime.now(UTC) - row.accepted_at).total_seconds()
            tx.after_commit(partial(DURATION.labels(row.kind, row.job.phase.value).observe, lasted))


def _facts(row: Row, told: Sequence[News]) -> Iterator[EventData]:
    tasks = tasks_of(WORK.validate_python(row.request["work"])) if isinstance(told[0], Dispatch) else ()
    for news in told:
        match news:
            case Dispatch(item, attempt):
                yield _dispatched(row, tasks[item], item, attempt)
            case Complete():
                yield _completed(row)
            case End():
                yield _unfinished(row, news)


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


def _completed(row: Row) -> JobCompleted:
    results = [
        ResultFile.model_validate({**result, "item": number})
        for number in range(len(row.job.items))
        for result in row.results.get(str(number), ())
    ]
    failures = [
        ItemFailure(item=number, code=item.reason.code, message=item.reason.message, tip=item.reason.tip)
        for number, item in enumerate(row.job.items)
        if item.reason
    ]
    return JobCompleted(
        job_id=row.job_id,
        user_id=row.user_id,
        version=row.job.version,
        kind=row.kind,
        results=tuple(results),
        failures=tuple(failures),
        attempts=row.job.attempt,
        credits=row.job.due(row.request["price"]["credits"]),
        vendor_ms=row.job.vendor_ms,
    )


def _unfinished(row: Row, end: End) -> JobFailed | JobCancelled | JobExpired:
    return _ENDED[end.phase](
        job_id=row.job_id,
        user_id=row.user_id,
        version=row.job.version,
        code=end.reason.code,
        message=end.reason.message,
        tip=end.reason.tip,
        attempts=row.job.attempt,
    )
