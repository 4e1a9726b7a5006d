"""One HTTP exchange with whichever replica is current; failures become this package's errors."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import aiohttp

from closet_client.errors import ApiProblem, Unreachable, problem_from
from closet_client.hosts import Hosts
from closet_client.proxies import proxy_for

ContextHeaders = Callable[[], Mapping[str, str]]
_AWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


class NothingMore(Exception):
    """A stream has no more news, and never will."""


@dataclass(frozen=True)
class Request:
    """What is asked below `<base URL>/api`. `silence_s`, where set, replaces the limit on the whole answer's time."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    params: Mapping[str, str] | None = None
    timeout_s: float = 30.0
    silence_s: float | None = None

    def bearing(self, token: str) -> "Request":
        """The same request with a bearer token."""
        return replace(self, headers={**self.headers, "Authorization": f"Bearer {token}"})

    def timeout(self) -> aiohttp.ClientTimeout:
        """The limits as aiohttp takes them."""
        total = self.timeout_s if self.silence_s is None else None
        return aiohttp.ClientTimeout(total=total, sock_connect=5.0, sock_read=self.silence_s)


@dataclass(frozen=True)
class Answer:
    """A JSON answer; `body` is empty for 204 and 304."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


class Wire:
    """Sends requests to `<current base URL>/api<path>`."""

    def __init__(self, session: aiohttp.ClientSession, hosts: Hosts, context: ContextHeaders) -> None:
        """`context` gives headers for every request, such as the caller's `traceparent`."""
        self._session = session
        self._context = context
        self.hosts = hosts

    async def send(self, request: Request) -> Answer:
        """The answer of one attempt.

        Raises:
            Unreachable: no answer, or not in time.
            ApiProblem: a status of 400 or more, or an answer that is not JSON.
        """
        async with self._exchange(request) as response:
            return Answer(response.status, response.headers, _decode(response.status, await response.read()))

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[aiohttp.StreamReader]:
        """A long answer's bytes as they come; one that breaks off is Unreachable too.

        Raises:
            NothingMore: 204, what the stream would tell has been told.
        """
        async with self._exchange(request) as response:
            if response.status == HTTPStatus.NO_CONTENT:
                raise NothingMore
            if response.content_type != "text/event-stream":
                raise ApiProblem(response.status, "unreadable_answer", "The server did not answer with a stream.")
            yield response.content

    @asynccontextmanager
    async def _exchange(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        base = self.hosts.current
        try:
            async with self._session.request(
                request.method,
                f"{base}/api{request.path}",
                headers={**self._context(), **request.headers},
                json=request.body,
                params=request.params,
                timeout=request.timeout(),
                allow_redirects=False,
                proxy=proxy_for(base),
            ) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise await _refusal(response)
                yield response
        except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
            self.hosts.leave(base)
            raise Unreachable(f"No answer from the gateway ({type(error).__name__}).") from error
        except ApiProblem as problem:
            if problem.status in _AWAY:
                self.hosts.leave(base)
            raise


async def _refusal(response: aiohttp.ClientResponse) -> ApiProblem:
    try:
        body = json.loads(await response.read())
    except ValueError:
        body = None
    return problem_from(response.status, response.headers, body)


def _decode(status: int, raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiProblem(status, "unreadable_answer", "The server's answer is not a JSON object.")
    return body
