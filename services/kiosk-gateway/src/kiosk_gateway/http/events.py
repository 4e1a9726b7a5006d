"""A job's timeline as Server-Sent Events, until the job ends."""

import asyncio

from aiohttp import web
from prometheus_client import Gauge

from kiosk_gateway.domain.jobs import TERMINAL_STATUSES
from kiosk_gateway.domain.refusals import INVALID_LAST_EVENT_ID
from kiosk_gateway.handlers.jobs import Jobs, poll_interval_s
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.handlers.revocation import Revocations
from kiosk_gateway.http.route import CALLER, CLAIMS
from kiosk_gateway.http.views import timeline_entry
from kiosk_gateway.store.jobs import JobEvent, JobRecord

HEARTBEAT_S = 15.0
STREAMS = Gauge("closet_event_streams", "Clients that follow a job by Server-Sent Events")
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "private, no-store, no-transform",  # a proxy that compresses the stream would buffer it
    "X-Accel-Buffering": "no",  # nor may a proxy buffer it otherwise
}


class EventEndpoints:
    """Serves the timelines of jobs as streams."""

    def __init__(self, jobs: Jobs, revocations: Revocations) -> None:
        self._jobs = jobs
        self._revocations = revocations

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """GET /gen/job/{id}/events."""
        after = _last_event_id(request)
        job = await self._jobs.find(request[CALLER], request.match_info["jobId"])
        if job.has_ended and not _events_after(job, after):
            return web.Response(status=204)  # a browser does not reconnect after it
        stream = web.StreamResponse(headers=_HEADERS)
        with STREAMS.track_inprogress():
            try:
                await stream.prepare(request)
                await stream.write(b"retry: 1000\n\n")
                await self._follow(request, job, after, stream)
                await stream.write_eof()
            except ConnectionError:
                pass  # the client has disconnected; it resumes after the last id that it received
        return stream

    async def _follow(self, request: web.Request, job: JobRecord, after: int, stream: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        quiet_until = loop.time() + HEARTBEAT_S
        with self._jobs.watchers.watch(job.job_id) as wake:
            while True:
                job = await self._jobs.find(request[CALLER], job.job_id)
                if self._revocations.covers(request[CLAIMS]):
                    return
                for event in _events_after(job, after):
                    await stream.write(_message(job, event))
                    after, quiet_until = event.seq, loop.time() + HEARTBEAT_S
                    if event.status in TERMINAL_STATUSES:
                        return
                # has_ended: the client named an id that no entry will ever have.
                if job.has_ended or self._jobs.watchers.is_closed:
                    return
                if loop.time() >= quiet_until:
                    await stream.write(b": heartbeat\n\n")
                    quiet_until = loop.time() + HEARTBEAT_S
                await wake.wait(min(poll_interval_s(), max(0.0, quiet_until - loop.time())))


def _events_after(job: JobRecord, after: int) -> list[JobEvent]:
    return [event for event in job.timeline if event.seq > after]


def _message(job: JobRecord, event: JobEvent) -> bytes:
    data = timeline_entry(job, event).model_dump_json(by_alias=True)
    name = event.type.removeprefix("closet.").rpartition(".")[0]
    return f"id: {event.seq}\nevent: {name}\ndata: {data}\n\n".encode()


def _last_event_id(request: web.Request) -> int:
    value = request.headers.get("Last-Event-ID", "")
    if value and not (value.isascii() and value.isdigit() and len(value) < 9):  # noqa: PLR2004  fits an integer
        raise problem(INVALID_LAST_EVENT_ID)
    return int(value or 0)
