"""Uploads, quotes and new jobs."""

from aiohttp import web
from closet_chassis.http import read_model, reply
from closet_contracts.rpc import QuotePrice, SignPut
from closet_messaging.rpc import RpcFailed
from closet_storage.keys import InvalidKey, parse_upload_key
from opentelemetry import trace

from kiosk_gateway.domain.jobs import Status
from kiosk_gateway.domain.refusals import (
    CONSENT_REQUIRED,
    INPUT_NOT_FOUND,
    UNPRICEABLE,
    UNSUPPORTED_CONTENT_TYPE,
    UPLOAD_TOO_LARGE,
)
from kiosk_gateway.handlers.intake import Asked
from kiosk_gateway.handlers.refusing import ask, refuse
from kiosk_gateway.handlers.uploads import UploadAsked
from kiosk_gateway.http.context import CALLER, GATEWAY, idempotency_key
from kiosk_gateway.http.models import (
    Cost,
    Estimate,
    EstimateRequest,
    JobCreated,
    TryOnRequest,
    UploadRequest,
    UploadTicket,
)
from kiosk_gateway.http.views import links, usd

PICTURES = frozenset({"image/jpeg", "image/png", "image/webp"})
MAX_UPLOAD_BYTES = 10 * 1024 * 1024
_PRIVATE = {"Cache-Control": "private, no-store"}


async def upload_url(request: web.Request) -> web.StreamResponse:
    """POST /gen/upload-url."""
    body = await read_model(request, UploadRequest)
    if body.content_type not in PICTURES:
        raise refuse(UNSUPPORTED_CONTENT_TYPE)
    if (body.size or 0) > MAX_UPLOAD_BYTES:
        raise refuse(UPLOAD_TOO_LARGE)
    gateway, caller = request.app[GATEWAY], request[CALLER]
    asked = UploadAsked(caller.tenant, caller.user, idempotency_key(request, body))
    upload_id = await gateway.uploads.announce(asked)
    put = SignPut(
        tenant_id=caller.tenant,
        upload_id=upload_id,
        content_type=body.content_type,
        size=body.size,
        sha256=body.sha256,
    )
    signed = await ask(gateway.bus, put)
    ticket = UploadTicket(
        upload_id=upload_id,
        key=signed.key,
        upload_url=signed.url,
        headers=signed.headers,
        expires_in=signed.expires_in,
    )
    return reply(ticket, headers=_PRIVATE)


async def estimate(request: web.Request) -> web.StreamResponse:
    """POST /gen/estimate."""
    body = await read_model(request, EstimateRequest)
    caller = request[CALLER]
    question = QuotePrice(tenant_id=caller.tenant, user_id=caller.user, item=body.work().chargeable())
    try:
        quote = await ask(request.app[GATEWAY].bus, question)
    except RpcFailed as error:
        if error.code != UNPRICEABLE.code:
            raise
        raise refuse(UNPRICEABLE, error.detail) from error
    answer = Estimate(
        quote_id=quote.quote_id,
        credits=quote.price.credits,
        usd=usd(quote.price.usd_cents),
        description=quote.description,
        expires_at=quote.expires_at,
        balance=quote.balance,
        sufficient=quote.sufficient,
    )
    return reply(answer, headers=_PRIVATE)


async def try_on(request: web.Request) -> web.StreamResponse:
    """POST /gen/tryon."""
    body = await read_model(request, TryOnRequest)
    gateway, caller = request.app[GATEWAY], request[CALLER]
    if body.consent is False:
        raise refuse(CONSENT_REQUIRED)
    asked = Asked(
        tenant=caller.tenant,
        user=caller.user,
        work=body.work(),
        person=_upload(caller.tenant, body.person_key),
        garment=_upload(caller.tenant, body.item_key),
        key=idempotency_key(request, body),
    )
    taken = await gateway.intake.take(asked)
    job_id = taken["jobId"]
    trace.get_current_span().set_attribute("closet.job_id", job_id)
    created = JobCreated(
        job_id=job_id,
        status=Status.QUEUED,
        estimated_time=taken["estimatedTime"],
        cost=Cost(credits=taken["credits"], usd=usd(taken["usdCents"])),
        **links(gateway.settings.public_url, job_id),
    )
    return reply(created, status=202, headers=_PRIVATE)


def _upload(tenant: str, key: str) -> str:
    try:
        owner, upload_id = parse_upload_key(key)
    except InvalidKey as error:
        raise refuse(INPUT_NOT_FOUND) from error
    if owner != tenant:
        raise refuse(INPUT_NOT_FOUND)
    return upload_id
