"""The vendor over HTTP: tasks are created, once, and looked at."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
import structlog
from closet_chassis.telemetry import current_traceparent, fail_span, span_from
from closet_contracts.work import Role, Task
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Counter
from yarl import URL

from perfect_adapter.adapters.downloads import Downloads
from perfect_adapter.adapters.features import FEATURES
from perfect_adapter.ports import (
    Created,
    Failed,
    Look,
    NoAnswer,
    Refused,
    Running,
    Submission,
    Succeeded,
    Throttled,
    Unreachable,
)

log = structlog.get_logger(__name__)

CALLS = Counter("perfect_api_calls_total", "Calls of the vendor's API", ["endpoint", "status"])

# All of these come before the first byte of a request is written.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_CONNECT_TIMEOUT_S = 10.0


class _NotSent(Exception):
    """The call provably never reached the vendor; `str()` says why."""


class _Unanswered(Exception):
    """The call was sent, or may have been, and no answer came; `str()` says what happened instead."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    document: Mapping[str, Any]  # empty if it was not the JSON object that it should be

    @property
    def data(self) -> Mapping[str, Any]:
        data = self.document.get("data")
        return data if isinstance(data, dict) else {}

    @property
    def refusal(self) -> Throttled | Refused | None:
        """What a definite 4xx says; after 408 nobody knows."""
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled()
        if 400 <= self.status < 500 and self.status != HTTPStatus.REQUEST_TIMEOUT:  # noqa: PLR2004 the class of HTTP
            return Refused(self.status, _text(self.document.get("error_code")))
        return None


class Perfect:
    """The vendor's API with one key; a `Vendor`."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, api_key: str, timeout_s: float, downloads: Downloads
    ) -> None:
        self._session = session
        self._base = base.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(_CONNECT_TIMEOUT_S, timeout_s))
        self.download = downloads.fetch

    async def create(self, work: Task, inputs: Mapping[Role, str]) -> Submission:
        """Order a task, once; see `Vendor`."""
        feature = FEATURES[work.kind]
        try:
            answer = await self._call("POST", feature.path, feature.path, feature.body(work, inputs))
        except _NotSent as error:
            return Unreachable(str(error))
        except _Unanswered as error:
            return NoAnswer(str(error))
        task_id = _text(answer.data.get("task_id"))
        if answer.status == HTTPStatus.OK and task_id:
            return Created(task_id)
        return answer.refusal or NoAnswer(f"HTTP {answer.status} without a task")

    async def look(self, work: Task, task_id: str) -> Look:
        """How does the task stand? See `Vendor`."""
        path = FEATURES[work.kind].path
        try:
            answer = await self._call("GET", f"{path}/{{task_id}}", f"{path}/{quote(task_id, safe='')}")
        except _NotSent as error:
            return Unreachable(str(error))
        except _Unanswered as error:
            return NoAnswer(str(error))
        if answer.status == HTTPStatus.OK:
            return _look(answer.data)
        return answer.refusal or NoAnswer(f"HTTP {answer.status}")

    async def _call(self, method: str, endpoint: str, path: str, body: Mapping[str, Any] | None = None) -> _Answer:
        attributes = {"http.request.method": method, "url.template": endpoint, "peer.service": "perfect"}
        with span_from(current_traceparent(), f"{method} {endpoint}", SpanKind.CLIENT, attributes) as span:
            try:
                answer, request_id = await self._exchange(method, path, body)
            except (_NotSent, _Unanswered) as error:
                outcome = "not_sent" if isinstance(error, _NotSent) else "no_answer"
                CALLS.labels(endpoint, outcome).inc()
                fail_span(span, str(error))
                log.warning("vendor_call_failed", endpoint=endpoint, outcome=outcome, reason=str(error))
                raise
            CALLS.labels(endpoint, str(answer.status)).inc()
            _note(span, endpoint, answer, request_id)
            return answer

    async def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[_Answer, str]:
        """One request and its answer. aiohttp repeats a GET by itself on a dropped connection, a POST never."""
        url = URL(self._base + path, encoded=True)
        try:
            async with self._session.request(
                method, url, json=body, headers=self._headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                document = _document(await response.read())
                return _Answer(response.status, document), response.headers.get("x-request-id", "")
        except _NOT_SENT as error:
            raise _NotSent(type(error).__name__) from None
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise _Unanswered(type(error).__name__) from None


def _note(span: Span, endpoint: str, answer: _Answer, request_id: str) -> None:
    """The vendor's support asks for the request's id, a number that is text to us."""
    span.set_attribute("http.response.status_code", answer.status)
    span.set_attribute("vendor.request_id", request_id)
    if answer.status != HTTPStatus.OK:
        fail_span(span, str(answer.status))
        code = _text(answer.document.get("error_code"))
        log.warning("vendor_refused", endpoint=endpoint, status=answer.status, code=code, request_id=request_id)


def _look(data: Mapping[str, Any]) -> Look:
    match data.get("task_status"):
        case "running":
            return Running(_seconds(data.get("polling_interval")))
        case "error":
            return Failed(_text(data.get("error")) or "")
        case "success":
            return Succeeded(_urls(data.get("results")))
        case _:
            return NoAnswer("no task_status that we know")


def _urls(results: object) -> tuple[str, ...]:
    """One `url`, or a list of them, or of objects with one."""
    if isinstance(results, dict):
        results = results.get("url")
    found = results if isinstance(results, list) else [results]
    urls = [item.get("url") if isinstance(item, dict) else item for item in found]
    return tuple(url for url in urls if isinstance(url, str) and url)


def _document(raw: bytes) -> Mapping[str, Any]:
    """Every number stays text: ids may be too large for a number elsewhere."""
    try:
        document = json.loads(raw, parse_int=str, parse_float=str)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, str) else 0.0
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 3600 else 0.0  # noqa: PLR2004 an hour: nobody means more
