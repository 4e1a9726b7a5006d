"""What the gateway answers, as values. Unknown fields are ignored, so that a newer gateway stays readable."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from closet_contracts.model import Model


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self not in {JobStatus.QUEUED, JobStatus.PROCESSING}


class UploadTicket(Model):
    """Leave to PUT one object, with exactly these headers."""

    upload_id: str
    key: str
    upload_url: str
    method: str = "PUT"
    headers: dict[str, str]
    expires_in: int


class Cost(Model):
    """A price."""

    credits: int
    usd: Decimal


class Estimate(Model):
    """What a job would cost, and whether the balance covers it."""

    quote_id: str
    credits: int
    usd: Decimal
    description: str = ""
    expires_at: datetime
    balance: int
    sufficient: bool


class CreatedJob(Model):
    """A job that was taken on. `estimated_time` is in seconds."""

    job_id: str
    status: JobStatus
    estimated_time: int
    cost: Cost


class Result(Model):
    """A file that was made, a picture or the JSON of an analysis: of which item, and what it shows."""

    asset_id: str
    item: int = 0
    label: str | None = None
    content_type: str
    width: int | None = None
    height: int | None = None
    size_bytes: int


class Failure(Model):
    """An item that gave nothing though its job completed; it is not paid. `tip` is what to do better.

    `role` is the part of the input that could not be used, such as `garment`, where it failed for one.
    """

    item: int
    code: str
    message: str
    tip: str | None = None
    role: str | None = None


class JobEvent(Model):
    """One line of a job's timeline. `elapsed_ms` counts from the request; a stream resumes after `id`."""

    id: str
    type: str
    service: str
    status: JobStatus
    progress: int
    at: datetime
    elapsed_ms: int


class JobSummary(Model):
    """A job as lists show it. `progress` is in percent; `credits_charged` is None until the account was charged."""

    id: str
    type: str
    status: JobStatus
    progress: int
    attempts: int
    cost: Cost
    credits_charged: int | None = None
    results: tuple[Result, ...] = ()
    failures: tuple[Failure, ...] = ()
    error_code: str | None = None
    error_message: str | None = None
    error_tip: str | None = None
    cancel_requested: bool = False
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None


class Job(JobSummary):
    """A job with its timeline. `result_urls` are signed and fresh: whoever has one has the picture."""

    result_urls: tuple[str, ...] = ()
    result_urls_expire_in: int | None = None
    timeline: tuple[JobEvent, ...] = ()


class JobPage(Model):
    """Some jobs, the newest first; `next_cursor` leads to older ones."""

    jobs: tuple[JobSummary, ...]
    next_cursor: str | None = None


class Balance(Model):
    """The tenant's credits: all, set aside for running jobs, free to use."""

    account_id: str
    balance: int
    held: int
    available: int
    updated_at: datetime | None = None


class Consent(Model):
    """Whether the person's word stands for `current_version` of the terms."""

    given: bool
    version: str | None = None
    given_at: datetime | None = None
    withdrawn_at: datetime | None = None
    current_version: str
