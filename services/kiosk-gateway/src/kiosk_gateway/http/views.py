"""The JSON of jobs, and how it is made from the read model."""

from datetime import datetime
from typing import Annotated, Any

from closet_contracts.work import Role
from pydantic import Field

from kiosk_gateway.domain.jobs import Status
from kiosk_gateway.http.route import Json, RequestBody, Text
from kiosk_gateway.http.work import PREFIX, Cost, JobLinks, links, usd
from kiosk_gateway.store.jobs import JobEvent, JobRecord

_WAIT_FOR_JOB = "Seconds to wait for the job's end or, with If-None-Match, for a change; at most 30."
_WAIT_FOR_CHARGE = "Seconds to wait until the charge is known; at most 30."


class Result(Json):
    """A file that was made: a picture, or the JSON of an analysis. `item` is its task, `label` what it shows.

    `download_url` needs the access token and redirects to a fresh signed URL.
    """

    asset_id: str
    item: int
    label: str | None
    content_type: str
    width: int | None
    height: int | None
    size_bytes: int
    download_url: str


class Failure(Json):
    """A task that failed although its job completed; it is not charged. `tip` says what to do better.

    `role` is the role of the input that could not be used, if the task failed because of one.
    """

    item: int
    code: str
    message: str
    tip: str | None
    role: Role | None = None


class Place(Json):
    """The task that a picture is an input of, and its role there."""

    item: int
    role: Role


class TimelineEntry(Json):
    """One fact about the job; `elapsed_ms` counts from the request.

    `inputs` lists the tasks that the upload belongs to if the fact is about an upload, `item` is the task that it is
    about, and `code` the reason of a failure.
    """

    id: str
    type: str
    service: str
    status: Status
    progress: int
    at: datetime
    elapsed_ms: int
    inputs: tuple[Place, ...] = ()
    item: int | None = None
    code: str | None = None


class JobSummary(JobLinks):
    """A job. `progress` is in percent.

    `credits_charged`: a completed job costs the share of its tasks that succeeded; a cancelled one also the share of
    the tasks that had reached the vendor; a failed or expired one costs nothing.
    """

    id: str
    type: str
    status: Status
    progress: int
    attempts: int
    cost: Cost
    credits_charged: int | None
    results: tuple[Result, ...]
    failures: tuple[Failure, ...]
    error_code: str | None
    error_message: str | None
    error_tip: str | None
    cancel_requested: bool
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None


class Job(JobSummary):
    """A job with its timeline, and signed URLs of its results that were made for this answer."""

    result_urls: tuple[str, ...]
    result_urls_expire_in: int | None
    timeline: tuple[TimelineEntry, ...]


class JobPage(Json):
    """A page of the caller's jobs, newest first. `next_cursor` leads to older ones, if there are any."""

    jobs: tuple[JobSummary, ...]
    next_cursor: str | None


class JobQuery(RequestBody):
    """How long to wait for the job."""

    wait: Annotated[float, Field(ge=0, allow_inf_nan=False, description=_WAIT_FOR_JOB)] = 0


class JobsQuery(RequestBody):
    """The status of the jobs to list, and the page size."""

    status: Status | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Text | None = None


class CancelQuery(RequestBody):
    """How long to wait for the charge."""

    wait: Annotated[float, Field(ge=0, allow_inf_nan=False, description=_WAIT_FOR_CHARGE)] = 10


def summary(base: str, job: JobRecord) -> JobSummary:
    """Return a job as an entry of a list."""
    return JobSummary(**_common(base, job))


def detail(base: str, job: JobRecord, result_urls: tuple[str, ...], expire_in: int | None) -> Job:
    """Return a job with its timeline in the order in which things happened."""
    timeline = sorted(job.timeline, key=lambda event: (event.at, event.seq))
    return Job(
        **_common(base, job),
        result_urls=result_urls,
        result_urls_expire_in=expire_in,
        timeline=tuple(timeline_entry(job, event) for event in timeline),
    )


def timeline_entry(job: JobRecord, event: JobEvent) -> TimelineEntry:
    """Return an entry of the timeline."""
    return TimelineEntry(
        id=str(event.seq),
        type=event.type,
        service=event.service,
        status=event.status,
        progress=event.progress,
        at=event.at,
        elapsed_ms=max(0, round((event.at - job.created_at).total_seconds() * 1000)),
        inputs=tuple(Place(item=each.item, role=each.role) for each in job.inputs if each.upload_id == event.part),
        item=_item(event.part),
        code=event.code,
    )


def _item(part: str) -> int | None:
    """Return the task of an attempt (`item.attempt`), None for anything else."""
    item, is_attempt, _ = part.partition(".")
    return int(item) if is_attempt else None


def _common(base: str, job: JobRecord) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "type": job.kind,
        "status": job.status,
        "progress": job.progress,
        "attempts": job.attempts,
        "cost": Cost(credits=job.credits, usd=usd(job.usd_cents)),
        "credits_charged": job.credits_charged,
        "results": tuple(_result(base, job, number) for number in range(len(job.results))),
        "failures": tuple(Failure(**failure.model_dump(by_alias=False)) for failure in job.failures),
        "error_code": job.error_code,
        "error_message": job.error_message,
        "error_tip": job.error_tip,
        "cancel_requested": job.cancel_requested_at is not None,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "ended_at": job.ended_at,
        **links(base, job.job_id),
    }


def _result(base: str, job: JobRecord, number: int) -> Result:
    asset = job.results[number]
    asset_id = f"{job.job_id}.{number}"
    return Result(
        asset_id=asset_id,
        item=asset.item,
        label=asset.label,
        content_type=asset.content_type,
        width=asset.width,
        height=asset.height,
        size_bytes=asset.size_bytes,
        download_url=f"{base.rstrip('/')}{PREFIX}/gen/download/{asset_id}",
    )
