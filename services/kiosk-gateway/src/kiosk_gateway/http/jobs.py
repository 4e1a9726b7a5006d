"""Reading jobs and their results, and giving jobs up."""

import asyncio
import base64
import re
import time

import structlog
from aiohttp import web
from closet_chassis.http import read_query, reply
from closet_contracts.rpc import SignedGets, SignGet
from closet_messaging.rpc import RpcFailed
from closet_messaging.transaction import Tx

from kiosk_gateway.domain.refusals import ASSET_NOT_FOUND, INVALID_CURSOR, INVALID_TOKEN
from kiosk_gateway.handlers import jobs as handlers
from kiosk_gateway.handlers.idempotency import once
from kiosk_gateway.handlers.jobs import JOB_ID
from kiosk_gateway.handlers.refusing import ask, refuse
from kiosk_gateway.http.context import CALLER, GATEWAY, Gateway, idempotency_key, is_revoked
from kiosk_gateway.http.models import JobPage, JobQuery, JobsQuery
from kiosk_gateway.http.queries import CancelQuery
from kiosk_gateway.http.views import detail, summary
from kiosk_gateway.store.jobs import Job, page

log = structlog.get_logger(__name__)

LONGEST_WAIT_S = 30.0
URLS_STAY_S = 1800  # half of what a signed URL lives: a copy that is confirmed as fresh has URLs that still work
_SIGNED_AT_ONCE = 64  # as many as one question may name
_ASSET_ID = re.compile(rf"(?P<job>{JOB_ID.pattern})\.(?P<number>[0-9]{{1,3}})")
_REVALIDATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
_PRIVATE = {"Cache-Control": "private, no-store"}


async def get_job(request: web.Request) -> web.StreamResponse:
    """GET /gen/job/{id}."""
    gateway, caller = request.app[GATEWAY], request[CALLER]
    query = read_query(request, JobQuery)
    held = {tag.value for tag in request.if_none_match or ()}

    def is_news(job: Job) -> bool:
        return job.ended or (bool(held) and _etag(job) not in held)

    job_id = request.match_info["jobId"]
    job = await gateway.jobs.wait(caller, job_id, min(query.wait, LONGEST_WAIT_S), is_news)
    if is_revoked(request):  # while it waited
        raise refuse(INVALID_TOKEN)
    etag = _etag(job)
    if etag in held:
        return web.Response(status=304, headers={**_REVALIDATE, "ETag": f'"{etag}"'})
    return await _answer(gateway, job, 200, {**_REVALIDATE, "ETag": f'"{etag}"'})


async def list_jobs(request: web.Request) -> web.StreamResponse:
    """GET /gen/jobs."""
    gateway, caller = request.app[GATEWAY], request[CALLER]
    query = read_query(request, JobsQuery)
    before = _from_cursor(query.cursor) if query.cursor else None
    async with gateway.bus.pool.acquire() as conn:
        found = await page(conn, caller.tenant, caller.user, before=before, status=query.status, limit=query.limit + 1)
    shown = found[: query.limit]
    answer = JobPage(
        jobs=tuple(summary(gateway.settings.public_url, job) for job in shown),
        next_cursor=_to_cursor(shown[-1].job_id) if len(found) > len(shown) else None,
    )
    return reply(answer, headers=_PRIVATE)


async def cancel(request: web.Request) -> web.StreamResponse:
    """POST /gen/job/{id}/cancel."""
    gateway, caller = request.app[GATEWAY], request[CALLER]
    job_id = request.match_info["jobId"]

    async def act(tx: Tx) -> dict[str, str]:
        await handlers.cancel(gateway.doorbell, tx, caller, job_id)
        return {"jobId": job_id}

    query = read_query(request, CancelQuery)
    await once(gateway.bus.transaction, idempotency_key(request, {}), act)
    job = await gateway.jobs.wait(caller, job_id, min(query.wait, LONGEST_WAIT_S), lambda job: job.ended)
    return await _answer(gateway, job, 200 if job.ended else 202, _PRIVATE)


async def download(request: web.Request) -> web.StreamResponse:
    """GET /gen/download/{assetId}."""
    gateway, caller = request.app[GATEWAY], request[CALLER]
    asset = _ASSET_ID.fullmatch(request.match_info["assetId"])
    if asset is None:
        raise refuse(ASSET_NOT_FOUND)
    job, number = await gateway.jobs.find(caller, asset["job"]), int(asset["number"])
    if number >= len(job.results):
        raise refuse(ASSET_NOT_FOUND)
    try:
        signed = await _sign(gateway, job, job.results[number].key)
    except RpcFailed as error:
        raise refuse(ASSET_NOT_FOUND) from error
    return web.Response(status=302, headers={**_PRIVATE, "Location": signed.urls[0]})


async def _answer(gateway: Gateway, job: Job, status: int, headers: dict[str, str]) -> web.Response:
    keys = [asset.key for asset in job.results]
    groups = [keys[start : start + _SIGNED_AT_ONCE] for start in range(0, len(keys), _SIGNED_AT_ONCE)]
    try:
        signed = await asyncio.gather(*(_sign(gateway, job, *group) for group in groups))
    except RpcFailed as error:
        # The job is worth seeing without its pictures; whoever looks at the log sees to these.
        log.error("results_not_signed", job_id=job.job_id, code=error.code)  # noqa: TRY400  no stack is needed
        signed = []
    urls = tuple(url for group in signed for url in group.urls)
    expire_in = min((group.expires_in for group in signed), default=None)
    return reply(detail(gateway.settings.public_url, job, urls, expire_in), status=status, headers=headers)


async def _sign(gateway: Gateway, job: Job, *keys: str) -> SignedGets:
    return await ask(gateway.bus, SignGet(tenant_id=job.tenant, keys=keys))


def _etag(job: Job) -> str:
    period = f".{int(time.time()) // URLS_STAY_S}" if job.results else ""
    return f"{job.events}{period}"


def _to_cursor(job_id: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(job_id.removeprefix("job_"))).rstrip(b"=").decode()


def _from_cursor(cursor: str) -> str:
    try:
        raw = base64.b64decode(f"{cursor}==", altchars=b"-_", validate=True)
    except ValueError as error:
        raise refuse(INVALID_CURSOR) from error
    job_id = f"job_{raw.hex()}"
    if not JOB_ID.fullmatch(job_id):
        raise refuse(INVALID_CURSOR)
    return job_id
