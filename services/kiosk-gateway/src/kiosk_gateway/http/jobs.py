"""Read jobs and their results, and cancel jobs."""

import base64
import re
import time

from aiohttp import web
from closet_chassis.http import read_query, reply

from kiosk_gateway.domain.refusals import ASSET_NOT_FOUND, INVALID_CURSOR, INVALID_TOKEN
from kiosk_gateway.handlers.jobs import JOB_ID, Cancellations, Jobs, ResultUrls
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.handlers.revocation import Revocations
from kiosk_gateway.http.route import CALLER, CLAIMS, PRIVATE, idempotency_key, reply_private
from kiosk_gateway.http.views import CancelQuery, Job, JobPage, JobQuery, JobsQuery, detail, summary
from kiosk_gateway.store.jobs import JobRecord

LONGEST_WAIT_S = 30.0
URLS_MAX_AGE_S = 1800  # half of a signed URL's lifetime: a copy confirmed by 304 has URLs that still work
_ASSET_ID = re.compile(rf"(?P<job>{JOB_ID.pattern})\.(?P<number>[0-9]{{1,3}})")
_REVALIDATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


class JobEndpoints:
    """Serves the caller's jobs."""

    def __init__(
        self,
        jobs: Jobs,
        cancellations: Cancellations,
        result_urls: ResultUrls,
        revocations: Revocations,
        public_url: str,
    ) -> None:
        self._jobs = jobs
        self._cancellations = cancellations
        self._result_urls = result_urls
        self._revocations = revocations
        self._public_url = public_url

    async def read(self, request: web.Request) -> web.StreamResponse:
        """GET /gen/job/{id}."""
        query = read_query(request, JobQuery)
        cached = {tag.value for tag in request.if_none_match or ()}

        def is_awaited(job: JobRecord) -> bool:
            return job.has_ended or (bool(cached) and _etag(job) not in cached)

        job_id = request.match_info["jobId"]
        job = await self._jobs.wait(request[CALLER], job_id, min(query.wait, LONGEST_WAIT_S), is_awaited)
        if self._revocations.covers(request[CLAIMS]):  # revoked during the wait
            raise problem(INVALID_TOKEN)
        etag = _etag(job)
        headers = {**_REVALIDATE, "ETag": f'"{etag}"'}
        if etag in cached:
            return web.Response(status=304, headers=headers)
        return reply(await self._body(job), headers=headers)

    async def list_jobs(self, request: web.Request) -> web.StreamResponse:
        """GET /gen/jobs."""
        query = read_query(request, JobsQuery)
        before = _from_cursor(query.cursor) if query.cursor else None
        found = await self._jobs.page(request[CALLER], before=before, status=query.status, limit=query.limit + 1)
        shown = found[: query.limit]
        answer = JobPage(
            jobs=tuple(summary(self._public_url, job) for job in shown),
            next_cursor=_to_cursor(shown[-1].job_id) if len(found) > len(shown) else None,
        )
        return reply_private(answer)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """POST /gen/job/{id}/cancel."""
        caller, job_id = request[CALLER], request.match_info["jobId"]
        query = read_query(request, CancelQuery)
        await self._cancellations.request(caller, job_id, idempotency_key(request, {}))
        job = await self._jobs.wait(caller, job_id, min(query.wait, LONGEST_WAIT_S), lambda job: job.has_ended)
        return reply_private(await self._body(job), 200 if job.has_ended else 202)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """GET /gen/download/{assetId}."""
        asset = _ASSET_ID.fullmatch(request.match_info["assetId"])
        if asset is None:
            raise problem(ASSET_NOT_FOUND)
        job = await self._jobs.find(request[CALLER], asset["job"])
        url = await self._result_urls.of_result(job, int(asset["number"]))
        return web.Response(status=302, headers={**PRIVATE, "Location": url})

    async def _body(self, job: JobRecord) -> Job:
        urls, expire_in = await self._result_urls.of_job(job)
        return detail(self._public_url, job, urls, expire_in)


def _etag(job: JobRecord) -> str:
    period = f".{int(time.time()) // URLS_MAX_AGE_S}" if job.results else ""
    return f"{job.events}{period}"


def _to_cursor(job_id: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(job_id.removeprefix("job_"))).rstrip(b"=").decode()


def _from_cursor(cursor: str) -> str:
    try:
        raw = base64.b64decode(f"{cursor}==", altchars=b"-_", validate=True)
    except ValueError as error:
        raise problem(INVALID_CURSOR) from error
    job_id = f"job_{raw.hex()}"
    if not JOB_ID.fullmatch(job_id):
        raise problem(INVALID_CURSOR)
    return job_id
