"""Following a job to its end: its stream, resumed after a drop; long polls where streams do not get through."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus

from pydantic import ValidationError

from closet_client.errors import ApiProblem, ClosetError
from closet_client.models import Job, JobEvent
from closet_client.retries import RetryPolicy, is_absence
from closet_client.sse import events
from closet_client.transport import TokenRenewed, Transport
from closet_client.wire import NothingMore, Request

_SILENCE_S = 45.0  # the gateway sends a comment every 15 s; a dead proxy sends nothing
_STREAMS_IN_VAIN = 4
_POLL_S = 25
_POLL_EVERY_S = 2.0  # where a long poll is answered at once


async def follow(api: Transport, job_id: str, last_id: str) -> AsyncGenerator[JobEvent, None]:
    """Each event of the job after `last_id` once, until it has ended.

    Raises:
        ApiProblem: the job is not ours to see, or polls are refused too.
        Unreachable: no replica answers any more.
    """
    async with aclosing(_streams(api, job_id, last_id)) as streamed:
        async for event in streamed:
            last_id = event.id
            yield event
            if event.status.terminal:
                return
    async with aclosing(_polls(api, job_id)) as polled:
        async for job in polled:
            # Ids are numbers that grow in the order in which the gateway learned.
            for event in sorted(job.timeline, key=_number):
                if _number(event) > int(last_id or 0):
                    last_id = event.id
                    yield event


async def wait(api: Transport, job_id: str) -> Job:
    """The job when it has ended."""
    async for job in _polls(api, job_id):
        found = job
    return found


async def _streams(api: Transport, job_id: str, last_id: str) -> AsyncGenerator[JobEvent, None]:
    """One stream after the other, each from where the last one ended, until several in a row told nothing."""
    in_vain = 0
    while in_vain < _STREAMS_IN_VAIN:
        try:
            async with aclosing(_stream(api, job_id, last_id)) as stream:
                async for event in stream:
                    in_vain, last_id = 0, event.id
                    yield event
        except NothingMore:
            return
        except (TokenRenewed, ClosetError) as error:
            if _is_final(error):
                raise
        await asyncio.sleep(random.uniform(0, api.policy.first_wait_s * 2**in_vain))  # noqa: S311  jitter, no secret
        in_vain += 1


def _is_final(error: Exception) -> bool:
    passing = (HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600))
    return isinstance(error, ApiProblem) and error.status not in passing


def _pause_s(policy: RetryPolicy, error: ClosetError) -> float:
    named = error.retry_after if isinstance(error, ApiProblem) else None
    return named if named is not None else random.uniform(0, policy.longest_wait_s)  # noqa: S311  jitter, no secret


def _number(event: JobEvent) -> int:
    return int(event.id)


async def _stream(api: Transport, job_id: str, last_id: str) -> AsyncGenerator[JobEvent, None]:
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
    request = Request("GET", f"/gen/job/{job_id}/events", headers, silence_s=_SILENCE_S)
    async with api.stream(request) as content:
        async for sent in events(content.iter_any(), last_id):
            try:
                yield JobEvent.model_validate_json(sent.data)
            except ValidationError:
                continue  # a kind of message that a newer gateway sends


async def _polls(api: Transport, job_id: str) -> AsyncGenerator[Job, None]:
    """The job now, and again whenever it has changed, until it has ended. A gateway may be away for a while."""
    etag = ""
    wait_s = 0
    answered = time.monotonic()
    while True:
        asked = time.monotonic()
        try:
            answer = await api.get(
                f"/gen/job/{job_id}",
                params={"wait": str(wait_s)},
                headers={"If-None-Match": etag} if etag else {},
                timeout_s=wait_s + 15.0,
            )
        except ClosetError as error:
            if not is_absence(error) or time.monotonic() - answered > api.policy.absence_s:
                raise
            await asyncio.sleep(_pause_s(api.policy, error))
            continue
        answered = time.monotonic()
        if answer.status != HTTPStatus.NOT_MODIFIED:
            job = Job.model_validate(answer.body)
            yield job
            if job.status.terminal:
                return
            etag = answer.headers.get("ETag", "")
        elif time.monotonic() - asked < 1:
            await asyncio.sleep(_POLL_EVERY_S)  # this server does not hold polls open
        wait_s = _POLL_S
