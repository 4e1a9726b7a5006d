"""The route table: everything this service answers over HTTP."""

from kiosk_gateway.domain import refusals as no
from kiosk_gateway.domain.access import Scope
from kiosk_gateway.http import access, account, docs, events, generation, jobs, models, money, terms, uploads, work
from kiosk_gateway.http.queries import CancelQuery
from kiosk_gateway.http.route import Media, Route
from kiosk_gateway.http.views import PREFIX

_GEN = f"{PREFIX}/gen"
_JOB = f"{_GEN}/job/{{jobId}}"


def _job(name: str, kind: type[work.JobRequest], summary: str) -> Route:
    """The route that takes on work of one kind."""
    of_templates = (no.UNKNOWN_TEMPLATE,) if issubclass(kind, work.HairstyleRequest | work.BatchRequest) else ()
    of_persons = (no.INPUT_NOT_FOUND, no.CONSENT_REQUIRED) if issubclass(kind, work.OfPerson) else ()
    return Route(
        "POST",
        f"{_GEN}/{name}",
        generation.create(kind),
        summary,
        {202: models.JobCreated},
        scope=Scope.GENERATE,
        body=kind,
        idempotent=True,
        refuses=(*of_persons, *of_templates, *no.PRICED, no.INSUFFICIENT_CREDITS, *no.BUSY),
    )


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        f"{PREFIX}/auth/token",
        access.mint,
        "For a tenant's server: tokens for one of its users, in exchange for the tenant's API key.",
        {200: models.Tokens},
        api_key=True,
        body=models.TokenRequest,
        refuses=(no.INVALID_API_KEY,),
    ),
    Route(
        "POST",
        f"{PREFIX}/auth/refresh",
        access.refresh,
        "The session's next tokens. A refresh token is good once: for 30 seconds it gives the same successor again, as "
        "long as that is unused; after that, one that comes back ends the session.",
        {200: models.Tokens},
        body=models.RefreshRequest,
        refuses=(no.INVALID_REFRESH_TOKEN, no.REFRESH_TOKEN_REUSED),
    ),
    Route(
        "DELETE",
        f"{PREFIX}/auth/session",
        access.end_session,
        "Sign out: this session's tokens, the access token that asks for it included, are good no more.",
        {204: None},
        signed_in=True,
    ),
    Route(
        "GET",
        f"{PREFIX}/.well-known/jwks.json",
        access.jwks,
        "The keys that verify access tokens (RFC 7517).",
        {200: Media.JSON},
    ),
    Route(
        "POST",
        f"{PREFIX}/consent",
        account.post_consent,
        "Give or withdraw consent. A withdrawal stops work that has not reached the vendor; what has is charged.",
        {200: models.Consent},
        scope=Scope.CONSENT,
        body=models.ConsentRequest,
        idempotent=True,
        refuses=(no.UNKNOWN_CONSENT_VERSION,),
    ),
    Route("GET", f"{PREFIX}/consent", account.get_consent, "How consent stands.", {200: models.Consent}, Scope.CONSENT),
    Route(
        "POST",
        f"{_GEN}/upload-url",
        uploads.upload_url,
        "Where to PUT a picture, straight to storage. Repeated with its key: the same upload, a fresh URL.",
        {200: models.UploadTicket},
        scope=Scope.GENERATE,
        body=models.UploadRequest,
        idempotent=True,
        refuses=(
            no.UNSUPPORTED_CONTENT_TYPE,
            no.UNSUPPORTED_PICTURE_FORMAT,
            no.SIZE_REQUIRED,
            no.UPLOAD_TOO_LARGE,
        ),
    ),
    Route(
        "POST",
        f"{_GEN}/estimate",
        generation.estimate,
        "What a job would cost, and whether the credits suffice. Makes no job.",
        {200: models.Estimate},
        scope=Scope.GENERATE,
        body=terms.EstimateRequest,
        refuses=(no.UNPRICEABLE,),
    ),
    _job("tryon", work.TryOnRequest, "Ask for a picture of a person wearing a garment."),
    _job("text2img", work.TextToImageRequest, "Ask for pictures made from words."),
    _job("edit", work.EditRequest, "Ask for a picture to be changed as a prompt says."),
    _job("hairstyle", work.HairstyleRequest, "Ask for a picture of a person with other hair."),
    _job("skin-analysis", work.SkinAnalysisRequest, "Ask for the scores of a face's skin."),
    _job("batch", work.BatchRequest, "Ask for many pictures in one job."),
    Route(
        "GET",
        f"{_GEN}/templates",
        generation.list_templates,
        "The styles that the vendor offers for a kind of work.",
        {200: models.TemplatePage},
        scope=Scope.GENERATE,
        query=models.TemplatesQuery,
        refuses=(no.INVALID_CURSOR, no.TEMPLATES_UNAVAILABLE),
    ),
    Route(
        "GET",
        _JOB,
        jobs.get_job,
        "A job. With `wait` the answer comes when the job has ended or, with `If-None-Match`, when it has changed.",
        {200: models.Job, 304: None},
        scope=Scope.JOBS_READ,
        query=models.JobQuery,
        refuses=(no.JOB_NOT_FOUND,),
    ),
    Route(
        "GET",
        f"{_JOB}/events",
        events.get_events,
        "The job's timeline as Server-Sent Events until its end; 204 if nothing comes after `Last-Event-ID`.",
        {200: Media.EVENTS, 204: None},
        scope=Scope.JOBS_READ,
        refuses=(no.JOB_NOT_FOUND, no.INVALID_LAST_EVENT_ID),
    ),
    Route(
        "POST",
        f"{_JOB}/cancel",
        jobs.cancel,
        "Give a job up. What the vendor has begun is charged, the rest is not; a job that has ended stays as it is."
        " 200 with the ended job, `creditsCharged` and why; 202 if that is not known within `wait` seconds.",
        {200: models.Job, 202: models.Job},
        scope=Scope.GENERATE,
        query=CancelQuery,
        idempotent=True,
        refuses=(no.JOB_NOT_FOUND,),
    ),
    Route(
        "GET",
        f"{_GEN}/jobs",
        jobs.list_jobs,
        "Own jobs, newest first.",
        {200: models.JobPage},
        scope=Scope.JOBS_READ,
        query=models.JobsQuery,
        refuses=(no.INVALID_CURSOR,),
    ),
    Route(
        "GET",
        f"{_GEN}/download/{{assetId}}",
        jobs.download,
        "To a result's signed URL, made for this answer.",
        {302: None},
        scope=Scope.JOBS_READ,
        refuses=(no.ASSET_NOT_FOUND, no.JOB_NOT_FOUND),
    ),
    Route(
        "GET",
        f"{PREFIX}/billing/balance",
        account.get_balance,
        "The tenant's credits.",
        {200: money.Balance},
        Scope.BALANCE_READ,
    ),
    Route(
        "GET",
        f"{PREFIX}/billing/statement",
        account.get_statement,
        "What changed the tenant's balance in a period, each charge with its job and trace.",
        {200: money.Statement},
        scope=Scope.STATEMENT_READ,
        query=money.StatementQuery,
        refuses=(no.INVALID_CURSOR,),
    ),
    Route("GET", "/livez", None, "Does the process run?", {200: models.Alive}),
    Route("GET", "/readyz", None, "May it be given work?", {200: models.Ready, 503: models.Ready}),
    Route("GET", "/health", None, "The same as /readyz.", {200: models.Ready, 503: models.Ready}),
    Route("GET", "/openapi.json", docs.openapi, "This description.", {200: Media.JSON}),
    Route("GET", "/docs", docs.page, "This description, to be read.", {200: Media.HTML}),
)
