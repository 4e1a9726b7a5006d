"""Quotes, new jobs, and what they may be made from."""

from aiohttp import web
from closet_chassis.http import read_model, read_query, reply
from closet_contracts.generation import Input, Priority
from closet_contracts.rpc import ListTemplates, QuotePrice
from closet_messaging.rpc import RpcFailed
from closet_storage.keys import InvalidKey, parse_upload_key
from opentelemetry import trace

from kiosk_gateway.domain.access import Caller
from kiosk_gateway.domain.jobs import Status
from kiosk_gateway.domain.refusals import (
    CONSENT_REQUIRED,
    INPUT_NOT_FOUND,
    INVALID_CURSOR,
    TEMPLATES_UNAVAILABLE,
    UNPRICEABLE,
    Refusal,
)
from kiosk_gateway.handlers.judging import Asked
from kiosk_gateway.handlers.refusing import ask, refuse
from kiosk_gateway.http.context import CALLER, GATEWAY, idempotency_key
from kiosk_gateway.http.models import Cost, Estimate, JobCreated, Template, TemplatePage, TemplatesQuery
from kiosk_gateway.http.route import Handler
from kiosk_gateway.http.terms import EstimateRequest
from kiosk_gateway.http.views import links, usd
from kiosk_gateway.http.work import BatchRequest, JobRequest, Part
from kiosk_gateway.store import quotes

_PRIVATE = {"Cache-Control": "private, no-store"}


async def estimate(request: web.Request) -> web.StreamResponse:
    """POST /gen/estimate."""
    body = await read_model(request, EstimateRequest)
    gateway, caller = request.app[GATEWAY], request[CALLER]
    question = QuotePrice(tenant_id=caller.tenant, user_id=caller.user, item=body.root.work().chargeable())
    try:
        quote = await ask(gateway.bus, question)
    except RpcFailed as error:
        raise _refused(error, UNPRICEABLE) from error
    async with gateway.bus.pool.acquire() as conn:
        await quotes.keep(conn, question, quote)
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


def create(kind: type[JobRequest]) -> Handler:
    """POST of a job of one kind."""

    async def create_job(request: web.Request) -> web.StreamResponse:
        gateway = request.app[GATEWAY]
        body: JobRequest = await read_model(request, kind)
        await gateway.templates.check(body.templates())
        taken = await gateway.intake.take(_asked(request, body))
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

    return create_job


async def list_templates(request: web.Request) -> web.StreamResponse:
    """GET /gen/templates."""
    query = read_query(request, TemplatesQuery)
    try:
        page = await ask(
            request.app[GATEWAY].bus, ListTemplates(kind=query.type, limit=query.limit, cursor=query.cursor)
        )
    except RpcFailed as error:
        raise _refused(error, INVALID_CURSOR, TEMPLATES_UNAVAILABLE) from error
    templates = tuple(Template(**each.model_dump(by_alias=False)) for each in page.templates)
    return reply(TemplatePage(templates=templates, next_cursor=page.next_cursor), headers=_PRIVATE)


def _asked(request: web.Request, body: JobRequest) -> Asked:
    if body.refuses_consent():
        raise refuse(CONSENT_REQUIRED)
    caller = request[CALLER]
    return Asked(
        tenant=caller.tenant,
        user=caller.user,
        work=body.work(),
        inputs=tuple(_input(caller.tenant, part) for part in body.parts()),
        key=idempotency_key(request, body),
        quote_id=body.quote_id,
        priority=_priority(caller, body),
    )


def _priority(caller: Caller, body: JobRequest) -> Priority:
    if isinstance(body, BatchRequest):
        return Priority.BATCH
    return Priority.KIOSK_LIVE if caller.live else Priority.INTERACTIVE


def _input(tenant: str, part: Part) -> Input:
    try:
        owner, upload_id = parse_upload_key(part.key)
    except InvalidKey as error:
        raise refuse(INPUT_NOT_FOUND) from error
    if owner != tenant:
        raise refuse(INPUT_NOT_FOUND)
    return Input(role=part.role, upload_id=upload_id, item=part.item)


def _refused(error: RpcFailed, *known: Refusal) -> Exception:
    """The problem to raise if the answerer refused for one of the known reasons, else what it said."""
    found = next((each for each in known if each.code == error.code), None)
    return refuse(found, error.detail) if found else error
