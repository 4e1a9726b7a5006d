"""Estimates, new jobs, and the templates that jobs can name."""

from aiohttp import web
from closet_chassis.http import read_model, read_query
from closet_contracts.generation import Input, Priority
from closet_storage.keys import InvalidKey, parse_upload_key
from opentelemetry import trace

from kiosk_gateway.domain.access import Caller
from kiosk_gateway.domain.jobs import Status
from kiosk_gateway.domain.refusals import CONSENT_REQUIRED, INPUT_NOT_FOUND
from kiosk_gateway.handlers.billing import Billing
from kiosk_gateway.handlers.intake import Intake, JobRequest
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.handlers.templates import Templates
from kiosk_gateway.http.batch import EstimateRequest
from kiosk_gateway.http.models import Estimate, Template, TemplatePage, TemplatesQuery
from kiosk_gateway.http.route import CALLER, idempotency_key, reply_private
from kiosk_gateway.http.work import Cost, JobCreated, JobRequestBody, Part, links, usd


class GenerationEndpoints:
    """Serves estimates, new jobs and templates."""

    def __init__(self, intake: Intake, templates: Templates, billing: Billing, public_url: str) -> None:
        self._intake = intake
        self._templates = templates
        self._billing = billing
        self._public_url = public_url

    async def create(self, kind: type[JobRequestBody], request: web.Request) -> web.StreamResponse:
        """POST of a job whose body is of this kind."""
        body = await read_model(request, kind)
        if templates := body.templates():
            await self._templates.check(templates)
        answer = await self._intake.submit(_job_request(request, body))
        job_id = answer["jobId"]
        trace.get_current_span().set_attribute("closet.job_id", job_id)
        created = JobCreated(
            job_id=job_id,
            status=Status.QUEUED,
            estimated_time=answer["estimatedTime"],
            cost=Cost(credits=answer["credits"], usd=usd(answer["usdCents"])),
            **links(self._public_url, job_id),
        )
        return reply_private(created, 202)

    async def estimate(self, request: web.Request) -> web.StreamResponse:
        """POST /gen/estimate."""
        body = await read_model(request, EstimateRequest)
        quote = await self._billing.quote(request[CALLER], body.root.work().chargeable())
        answer = Estimate(
            quote_id=quote.quote_id,
            credits=quote.price.credits,
            usd=usd(quote.price.usd_cents),
            description=quote.description,
            expires_at=quote.expires_at,
            balance=quote.balance,
            sufficient=quote.sufficient,
        )
        return reply_private(answer)

    async def list_templates(self, request: web.Request) -> web.StreamResponse:
        """GET /gen/templates."""
        query = read_query(request, TemplatesQuery)
        page = await self._templates.page(query.type, limit=query.limit, cursor=query.cursor)
        templates = tuple(Template(**each.model_dump(by_alias=False)) for each in page.templates)
        return reply_private(TemplatePage(templates=templates, next_cursor=page.next_cursor))


def _job_request(request: web.Request, body: JobRequestBody) -> JobRequest:
    if body.refuses_consent():
        raise problem(CONSENT_REQUIRED)
    caller = request[CALLER]
    return JobRequest(
        tenant=caller.tenant,
        user=caller.user,
        work=body.work(),
        inputs=tuple(_input(caller.tenant, part) for part in body.parts()),
        key=idempotency_key(request, body),
        quote_id=body.quote_id,
        priority=_priority(caller, body),
    )


def _priority(caller: Caller, body: JobRequestBody) -> Priority:
    if body.is_batch:
        return Priority.BATCH
    return Priority.KIOSK_LIVE if caller.is_live else Priority.INTERACTIVE


def _input(tenant: str, part: Part) -> Input:
    try:
        owner, upload_id = parse_upload_key(part.key)
    except InvalidKey as error:
        raise problem(INPUT_NOT_FOUND) from error
    if owner != tenant:
        raise problem(INPUT_NOT_FOUND)
    return Input(role=part.role, upload_id=upload_id, item=part.item)
