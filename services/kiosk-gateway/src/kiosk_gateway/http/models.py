"""The JSON of the client API, in camelCase."""

from datetime import datetime
from typing import Annotated, Literal

from closet_contracts.ids import UserId
from closet_contracts.model import WHOLE
from closet_contracts.text import ONE_LINE
from closet_contracts.work import Role
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from kiosk_gateway.domain.access import DEFAULT_SCOPES, Scope
from kiosk_gateway.domain.jobs import Status

Text = Annotated[str, StringConstraints(max_length=255), ONE_LINE]


class Json(BaseModel):
    """What this API answers."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
    )


class Asked(Json):
    """What this API is asked: a name that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", validate_by_name=False)


class TokenRequest(Asked):
    """For whom a tenant's server wants tokens. `generate:live` (kiosks, served first) has to be named."""

    user_id: UserId
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = DEFAULT_SCOPES


class RefreshRequest(Asked):
    """The refresh token to use up."""

    refresh_token: Text


class Tokens(Json):
    """Tokens and how many seconds they live."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  RFC 6750's word
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    scopes: tuple[Scope, ...]


class ConsentRequest(Asked):
    """The person's word; `version` guards against agreeing to terms that are no longer in force."""

    given: bool
    version: Text | None = None


class Consent(Json):
    """How consent stands. `given` is about `current_version`."""

    given: bool
    version: str | None
    given_at: datetime | None
    withdrawn_at: datetime | None
    current_version: str


class UploadRequest(Asked):
    """A picture to come. Without its `size` in bytes there is no URL; it and a `sha256` (hex) are bound by it.

    The URL is for `contentType` as it is written here; case, parameters and old names like `image/jpg` are fine.
    """

    filename: Text
    content_type: Text
    size: Annotated[int, Field(gt=0), WHOLE] | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class UploadTicket(Json):
    """Where to send the bytes, with exactly these headers. `key` names the picture from now on."""

    upload_id: str
    key: str
    upload_url: str
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str]
    expires_in: int


class Estimate(Json):
    """A quote. `usd` is a decimal number, `balance` what is free to use now."""

    quote_id: str
    credits: int
    usd: str
    description: str
    expires_at: datetime
    balance: int
    sufficient: bool


class Cost(Json):
    """A price; `usd` is a decimal number."""

    credits: int
    usd: str


class JobLinks(Json):
    """Where a job can be followed and cancelled."""

    status_url: str
    events_url: str
    cancel_url: str


class JobCreated(JobLinks):
    """The job was taken on. `estimated_time` is in seconds: the wait for its turn, and what such jobs usually take."""

    job_id: str
    status: Status
    estimated_time: int
    cost: Cost


class Result(Json):
    """A file that was made: a picture, or the JSON of an analysis. `item` is the task it is of, `label` what it shows.

    `download_url` needs the access token and leads to a fresh signed URL.
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
    """A task that gave nothing though its job completed; it is not paid. `tip` is what to do better.

    `role` is the part of the input that could not be used, where it failed for one.
    """

    item: int
    code: str
    message: str
    tip: str | None
    role: Role | None = None


class Place(Json):
    """Where a picture goes in: which task, and the part it plays there."""

    item: int
    role: Role


class TimelineEntry(Json):
    """One fact about the job; `elapsed_ms` counts from the request.

    `inputs` says where the upload that it is about goes in, `item` which task it is about, and `code` why something
    failed.
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

    `credits_charged`: a completed job costs the share of its tasks that succeeded, a cancelled one also that of the
    tasks at the vendor by then; one that failed or expired costs nothing.
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
    """A job with its timeline, and signed URLs of its results, made for this answer."""

    result_urls: tuple[str, ...]
    result_urls_expire_in: int | None
    timeline: tuple[TimelineEntry, ...]


class JobPage(Json):
    """Own jobs, newest first. `next_cursor` leads to older ones, if there are any."""

    jobs: tuple[JobSummary, ...]
    next_cursor: str | None


class TemplatesQuery(Asked):
    """The kind of work that the templates are for, and how many at once."""

    type: Literal["hairstyle"]
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Text | None = None


class Template(Json):
    """A style that the vendor offers; `template_id` is what a request names."""

    template_id: str
    title: str
    category: str | None
    thumbnail_url: str | None


class TemplatePage(Json):
    """Some templates; `next_cursor` leads to more."""

    templates: tuple[Template, ...]
    next_cursor: str | None


class JobQuery(Asked):
    """`wait`: seconds to hold the answer back until there is news, at most 30; see the description."""

    wait: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0


class JobsQuery(Asked):
    """Which jobs, and how many at once."""

    status: Status | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Text | None = None


class Ready(Json):
    """Whether each part that this process needs is there."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, dict[str, bool | str | None]]


class Alive(Json):
    """The process runs."""

    status: Literal["ok"]
    service: str


class FieldError(Json):
    """What is wrong where in a request."""

    path: str
    message: str


class ProblemDetails(Json):
    """RFC 9457. `code` is stable; `detail` is a sentence for a person; `trace_id` finds the request in the traces."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str | None = None
    errors: tuple[FieldError, ...] | None = None
