"""The route table: everything that this service answers over HTTP."""

from functools import partial
from typing import Any

from kiosk_gateway.domain import refusals
from kiosk_gateway.domain.access import Scope
from kiosk_gateway.http import (
    batch,
    billing,
    consent,
    docs,
    events,
    generation,
    jobs,
    models,
    tokens,
    uploads,
    views,
    work,
)
from kiosk_gateway.http.route import Media, Route
from kiosk_gateway.http.work import PREFIX

_GEN = f"{PREFIX}/gen"
_JOB = f"{_GEN}/job/{{jobId}}"


def routes(  # noqa: PLR0913  one parameter per group of routes
    *,
    token_endpoints: tokens.TokenEndpoints,
    consent_endpoints: consent.ConsentEndpoints,
    upload_endpoints: uploads.UploadEndpoints,
    generation_endpoints: generation.GenerationEndpoints,
    job_endpoints: jobs.JobEndpoints,
    event_endpoints: events.EventEndpoints,
    billing_endpoints: billing.BillingEndpoints,
    docs_endpoints: docs.DocsEndpoints,
) -> tuple[Route, ...]:
    """Return the table with the endpoints that serve it."""
    return (
        *_token_routes(token_endpoints),
        *_consent_routes(consent_endpoints),
        *_upload_routes(upload_endpoints),
        *_generation_routes(generation_endpoints),
        *_job_routes(job_endpoints, event_endpoints),
        *_billing_routes(billing_endpoints),
        *_process_routes(docs_endpoints),
    )


def _token_routes(endpoints: tokens.TokenEndpoints) -> tuple[Route, ...]:
    return (
        Route(
            "POST",
            f"{PREFIX}/auth/token",
            endpoints.create,
            "Exchange the tenant's API key for tokens for one of its users. For the tenant's server only.",
            {200: models.Tokens},
            needs_api_key=True,
            body=models.TokenRequest,
            refuses=(refusals.INVALID_API_KEY,),
        ),
        Route(
            "POST",
            f"{PREFIX}/auth/refresh",
            endpoints.refresh,
            "Renew the session's tokens. A refresh token can be used once. For 30 seconds a repetition returns the "
            "same successor, provided the successor is unused; after that, using it again ends the session.",
            {200: models.Tokens},
            body=models.RefreshRequest,
            refuses=(refusals.INVALID_REFRESH_TOKEN, refusals.REFRESH_TOKEN_REUSED),
        ),
        Route(
            "DELETE",
            f"{PREFIX}/auth/session",
            endpoints.end_session,
            "Sign out: end the session and revoke its tokens, including the access token of this request.",
            {204: None},
            needs_token=True,
        ),
        Route(
            "GET",
            f"{PREFIX}/.well-known/jwks.json",
            endpoints.jwks,
            "Return the public keys that verify access tokens (RFC 7517).",
            {200: Media.JSON},
        ),
    )


def _consent_routes(endpoints: consent.ConsentEndpoints) -> tuple[Route, ...]:
    return (
        Route(
            "POST",
            f"{PREFIX}/consent",
            endpoints.change,
            "Give or withdraw the person's consent. A withdrawal cancels work that has not reached the vendor; work "
            "that has is charged.",
            {200: models.Consent},
            scope=Scope.CONSENT,
            body=models.ConsentRequest,
            idempotent=True,
            refuses=(refusals.UNKNOWN_CONSENT_VERSION,),
        ),
        Route(
            "GET",
            f"{PREFIX}/consent",
            endpoints.read,
            "Return the person's consent status.",
            {200: models.Consent},
            scope=Scope.CONSENT,
        ),
    )


def _upload_routes(endpoints: uploads.UploadEndpoints) -> tuple[Route, ...]:
    return (
        Route(
            "POST",
            f"{_GEN}/upload-url",
            endpoints.create_url,
            "Create an upload and return the URL to PUT the picture to, directly to storage. A repetition with the "
            "same Idempotency-Key returns the same upload with a fresh URL.",
            {200: models.UploadTicket},
            scope=Scope.GENERATE,
            body=models.UploadRequest,
            idempotent=True,
            refuses=(
                refusals.UNSUPPORTED_CONTENT_TYPE,
                refusals.UNSUPPORTED_PICTURE_FORMAT,
                refusals.SIZE_REQUIRED,
                refusals.UPLOAD_TOO_LARGE,
            ),
        ),
    )


def _generation_routes(endpoints: generation.GenerationEndpoints) -> tuple[Route, ...]:
    return (
        Route(
            "POST",
            f"{_GEN}/estimate",
            endpoints.estimate,
            "Return the price of a job, and whether the tenant has enough credits. Creates no job.",
            {200: models.Estimate},
            scope=Scope.GENERATE,
            body=batch.EstimateRequest,
            refuses=(refusals.UNPRICEABLE,),
        ),
        _create(endpoints, "tryon", work.TryOnRequest, "Create a picture of a person wearing a garment."),
        _create(endpoints, "text2img", work.TextToImageRequest, "Create pictures from a prompt."),
        _create(endpoints, "edit", work.EditRequest, "Change a picture as a prompt says."),
        _create(endpoints, "hairstyle", work.HairstyleRequest, "Create a picture of a person with another hairstyle."),
        _create(endpoints, "skin-analysis", work.SkinAnalysisRequest, "Analyse a face's skin and return its scores."),
        _create(endpoints, "batch", batch.BatchRequest, "Create many pictures in one job."),
        Route(
            "GET",
            f"{_GEN}/templates",
            endpoints.list_templates,
            "List the styles that the vendor offers for a kind of work.",
            {200: models.TemplatePage},
            scope=Scope.GENERATE,
            query=models.TemplatesQuery,
            refuses=(refusals.INVALID_CURSOR, refusals.TEMPLATES_UNAVAILABLE),
        ),
    )


def _create(endpoints: generation.GenerationEndpoints, name: str, kind: type[batch.JobBody], summary: str) -> Route:
    has_templates = issubclass(kind, work.HairstyleRequest | batch.BatchRequest)
    has_inputs = issubclass(kind, work.RequiresConsent)
    return Route(
        "POST",
        f"{_GEN}/{name}",
        partial(endpoints.create, kind),
        summary,
        {202: work.JobCreated},
        scope=Scope.GENERATE,
        body=kind,
        idempotent=True,
        refuses=(
            *((refusals.INPUT_NOT_FOUND, refusals.CONSENT_REQUIRED) if has_inputs else ()),
            *((refusals.UNKNOWN_TEMPLATE,) if has_templates else ()),
            *refusals.PRICED,
            refusals.INSUFFICIENT_CREDITS,
            *refusals.BUSY,
        ),
    )


def _job_routes(job_endpoints: jobs.JobEndpoints, event_endpoints: events.EventEndpoints) -> tuple[Route, ...]:
    return (
        Route(
            "GET",
            _JOB,
            job_endpoints.read,
            "Return a job. With `wait`, respond once the job has ended or, with `If-None-Match`, once it has changed.",
            {200: views.Job, 304: None},
            scope=Scope.JOBS_READ,
            query=views.JobQuery,
            refuses=(refusals.JOB_NOT_FOUND,),
        ),
        Route(
            "GET",
            f"{_JOB}/events",
            event_endpoints.stream,
            "Stream the job's timeline as Server-Sent Events until the job ends; 204 if nothing follows "
            "`Last-Event-ID`.",
            {200: Media.EVENTS, 204: None},
            scope=Scope.JOBS_READ,
            refuses=(refusals.JOB_NOT_FOUND, refusals.INVALID_LAST_EVENT_ID),
        ),
        Route(
            "POST",
            f"{_JOB}/cancel",
            job_endpoints.cancel,
            "Cancel a job. Work that has reached the vendor is charged, the rest is not; a job that has ended does not "
            "change. 200 with the ended job, `creditsCharged` and the reason; 202 if they are not known within `wait` "
            "seconds.",
            {200: views.Job, 202: views.Job},
            scope=Scope.GENERATE,
            query=views.CancelQuery,
            idempotent=True,
            refuses=(refusals.JOB_NOT_FOUND,),
        ),
        Route(
            "GET",
            f"{_GEN}/jobs",
            job_endpoints.list_jobs,
            "List the caller's jobs, newest first.",
            {200: views.JobPage},
            scope=Scope.JOBS_READ,
            query=views.JobsQuery,
            refuses=(refusals.INVALID_CURSOR,),
        ),
        Route(
            "GET",
            f"{_GEN}/download/{{assetId}}",
            job_endpoints.download,
            "Redirect to a fresh signed URL of a result.",
            {302: None},
            scope=Scope.JOBS_READ,
            refuses=(refusals.ASSET_NOT_FOUND, refusals.JOB_NOT_FOUND),
        ),
    )


def _billing_routes(endpoints: billing.BillingEndpoints) -> tuple[Route, ...]:
    return (
        Route(
            "GET",
            f"{PREFIX}/billing/balance",
            endpoints.balance,
            "Return the tenant's credits.",
            {200: billing.Balance},
            scope=Scope.BALANCE_READ,
        ),
        Route(
            "GET",
            f"{PREFIX}/billing/statement",
            endpoints.statement,
            "List the changes of the tenant's balance in a period, each charge with its job and trace.",
            {200: billing.Statement},
            scope=Scope.STATEMENT_READ,
            query=billing.StatementQuery,
            refuses=(refusals.INVALID_CURSOR,),
        ),
    )


def _process_routes(endpoints: docs.DocsEndpoints) -> tuple[Route, ...]:
    ready = {200: models.Ready, 503: models.Ready}
    return (
        Route("GET", "/livez", None, "Return whether the process is running.", {200: models.Alive}),
        Route("GET", "/readyz", None, "Return whether the process can serve requests.", ready),
        Route("GET", "/health", None, "Alias of /readyz.", ready),
        Route("GET", "/openapi.json", endpoints.openapi, "Return this description.", {200: Media.JSON}),
        Route("GET", "/docs", endpoints.page, "Show this description as a web page.", {200: Media.HTML}),
    )


# Classes in place of objects: nothing can be served by them, which a description does not need.
_CLASSES: dict[str, Any] = {
    "token_endpoints": tokens.TokenEndpoints,
    "consent_endpoints": consent.ConsentEndpoints,
    "upload_endpoints": uploads.UploadEndpoints,
    "generation_endpoints": generation.GenerationEndpoints,
    "job_endpoints": jobs.JobEndpoints,
    "event_endpoints": events.EventEndpoints,
    "billing_endpoints": billing.BillingEndpoints,
    "docs_endpoints": docs.DocsEndpoints,
}

ROUTES = routes(**_CLASSES)
"""The table as far as a description needs it; `routes` returns the one that serves."""
