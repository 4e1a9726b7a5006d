"""A job's timeline as Server-Sent Events, until its end."""

import asyncio

from aiohttp import web
from prometheus_client import Gauge

from kiosk_gateway.domain.jobs import ENDS
from kiosk_gateway.domain.refusals import INVALID_LAST_EVENT_ID
from kiosk_gateway.handlers.jobs import look_after
from kiosk_gateway.handlers.refusing import refuse
from kiosk_gateway.http.context import CALLER, GATEWAY, is_revoked
from kiosk_gateway.http.views import entry
from kiosk_gateway.store.jobs import Job, Line

HEARTBEAT_S = 15.0
STREAMS = Gauge("closet_event_streams", "Clients that follow a job by Server-Sent Events")
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "private, no-store, no-transform",  # who compresses it, collects it
    "X-Accel-Buffering": "no",  # proxies are not to collect it
}


async def get_events(request: web.Request) -> web.StreamResponse:
    """GET /gen/job/{id}/events."""
    jobs, caller = request.app[GATEWAY].jobs, request[CALLER]
    after = _last_event_id(request)
    job = await jobs.find(caller, request.match_info["jobId"])
    if job.ended and not _news(job, after):
        return web.Response(status=204)  # tells a browser not to come back
    stream = web.StreamResponse(headers=_HEADERS)
    with STREAMS.track_inprogress():
        try:
            await stream.prepare(request)
            await stream.write(b"retry: 1000\n\n")
            await _follow(request, job, after, stream)
            await stream.write_eof()
        except ConnectionError:
            pass  # the client has gone; whatever it missed, it asks for by the last id it saw
    return stream


async def _follow(request: web.Request, job: Job, after: int, stream: web.StreamResponse) -> None:
    jobs, caller = request.app[GATEWAY].jobs, request[CALLER]
    loop = asyncio.get_running_loop()
    quiet_until = loop.time() + HEARTBEAT_S
    with jobs.waiters.watch(job.job_id) as wake:
        while True:
            job = await jobs.find(caller, job.job_id)
            if is_revoked(request):
                return
            for line in _news(job, after):
                await stream.write(_event(job, line))
                after, quiet_until = line.seq, loop.time() + HEARTBEAT_S
                if line.status in ENDS:
                    return
            if job.ended or jobs.waiters.closed:  # ended: the client names an id that no line will ever have
                return
            if loop.time() >= quiet_until:
                await stream.write(b": still here\n\n")
                quiet_until = loop.time() + HEARTBEAT_S
            await wake.wait(min(look_after(), max(0.0, quiet_until - loop.time())))


def _news(job: Job, after: int) -> list[Line]:
    return [line for line in job.timeline if line.seq > after]


def _event(job: Job, line: Line) -> bytes:
    told = entry(job, line).model_dump_json(by_alias=True)
    name = line.type.removeprefix("closet.").rpartition(".")[0]
    return f"id: {line.seq}\nevent: {name}\ndata: {told}\n\n".encode()


def _last_event_id(request: web.Request) -> int:
    value = request.headers.get("Last-Event-ID", "")
    if value and not (value.isascii() and value.isdigit() and len(value) < 9):  # noqa: PLR2004  fits an integer
        raise refuse(INVALID_LAST_EVENT_ID)
    return int(value or 0)
