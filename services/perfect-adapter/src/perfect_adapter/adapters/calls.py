"""One call of the vendor's API: sent once, traced, counted, and told apart by what is certain afterwards."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog
from closet_chassis.proxies import proxy_for
from closet_chassis.telemetry import current_traceparent, fail_span, span_from
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Counter
from yarl import URL

from perfect_adapter.adapters.leased import LeasedBody, LeaseOver
from perfect_adapter.domain.clock import Dates
from perfect_adapter.domain.keys import Key
from perfect_adapter.domain.leases import Lease, now_s
from perfect_adapter.ports import NoAnswer, NotDone, NotMade, Order, Refused, Throttled, Unreachable

log = structlog.get_logger(__name__)

CALLS = Counter("perfect_api_calls_total", "Calls of the vendor's API", ["endpoint", "status"])

# All of these come before the first byte of a request is written; the last, when a proxy opens no way to the vendor.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
_CONNECT_TIMEOUT_S = 10.0
_LONGEST_ANSWER = 16 << 20  # pictures may come inside one


class NotSent(Exception):
    """The call provably never reached the vendor; `str()` says why."""


class Unanswered(Exception):
    """The call was sent, or may have been, and no answer came; `str()` says what happened instead."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `document` is empty if it was not the JSON object that it should be."""

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return self.status == HTTPStatus.OK

    @property
    def data(self) -> Mapping[str, Any]:
        """The object under `data`."""
        return members(self.document, "data")

    @property
    def code(self) -> str | None:
        """The vendor's code for what is wrong."""
        return text(self.document.get("error_code"))

    @property
    def refusal(self) -> Throttled | Refused | None:
        """What a definite 4xx says; after 408 nobody knows."""
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled()
        if 400 <= self.status < 500 and self.status != HTTPStatus.REQUEST_TIMEOUT:  # noqa: PLR2004 the class of HTTP
            return Refused(self.status, self.code)
        return None

    def not_done(self, what: str) -> NotDone:
        """What an answer means that is not the one hoped for."""
        return self.refusal or NoAnswer(f"HTTP {self.status} {what}")


@dataclass(frozen=True, slots=True)
class Request:
    """What to call. `endpoint` is the path with names in the place of ids: what metrics and traces know it by."""

    method: str
    path: str
    endpoint: str
    body: Mapping[str, Any] | None = None
    lease: Lease | None = None


class Caller:
    """Calls one host. aiohttp repeats a GET by itself on a dropped connection, a POST never.

    Args:
        session: for this alone.
        base: the host's URL.
        timeout_s: for one call.
        egress: the name of the address that calls come from, told to whoever asks for it (sandboxes do).
        dates: is told what the host's clock says.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        timeout_s: float,
        egress: str = "",
        dates: Dates | None = None,
    ) -> None:
        self._dates = dates
        self._session = session
        self._base = base.rstrip("/")
        self._headers = {"X-Sandbox-Egress": egress} if egress else {}
        self._proxy = proxy_for(base)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(_CONNECT_TIMEOUT_S, timeout_s))

    async def order(self, key: Key, order: Order) -> Answer | Unreachable | NoAnswer | NotMade:
        """Send an order, once, if its lease still holds when its bytes leave."""
        path = order.feature.path
        try:
            body = order.feature.body(order.task, order.refs)
            return await self.call(key, Request("POST", path, path, body, order.lease))
        except LeaseOver:
            log.error("order_withheld", endpoint=path, reason="the lease is over")  # noqa: TRY400 no stack needed
            return NotMade("lease over")

    async def call(self, key: Key, request: Request) -> Answer | Unreachable | NoAnswer:
        """Send it, once.

        Raises:
            LeaseOver: the request's lease was over: nothing was sent.
        """
        attributes = {
            "http.request.method": request.method,
            "url.template": request.endpoint,
            "peer.service": "perfect",
            "closet.vendor_key": key.name,
        }
        name = f"{request.method} {request.endpoint}"
        with span_from(current_traceparent(), name, SpanKind.CLIENT, attributes) as span:
            try:
                answer, request_id = await self._exchange(key, request)
            except (NotSent, Unanswered) as error:
                return _failed(span, request, error)
            CALLS.labels(request.endpoint, str(answer.status)).inc()
            _note(span, request, answer, request_id)
            return answer

    async def _exchange(self, key: Key, request: Request) -> tuple[Answer, str]:
        url = URL(self._base + request.path, encoded=True)
        headers = {"Authorization": f"Bearer {key.secret}", **self._headers}
        leased = LeasedBody(request.body or {}, request.lease) if request.lease else None
        content: dict[str, Any] = {"data": leased} if leased else {"json": request.body}
        began_s = now_s()
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                proxy=self._proxy,
                **content,
            ) as response:
                if self._dates:
                    self._dates.note(response.headers.get("Date", ""), began_s)
                answer = Answer(response.status, document(await _bounded(response)), response.headers)
                return answer, response.headers.get("x-request-id", "")
        except _NOT_SENT as error:
            raise NotSent(type(error).__name__) from None
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            if leased and leased.is_withheld:
                raise LeaseOver from None
            raise Unanswered(type(error).__name__) from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > _LONGEST_ANSWER:
            raise Unanswered("an answer without end")
    return bytes(raw)


def _failed(span: Span, request: Request, error: NotSent | Unanswered) -> Unreachable | NoAnswer:
    outcome = "not_sent" if isinstance(error, NotSent) else "no_answer"
    CALLS.labels(request.endpoint, outcome).inc()
    fail_span(span, str(error))
    log.warning("vendor_call_failed", endpoint=request.endpoint, outcome=outcome, reason=str(error))
    return Unreachable(str(error)) if isinstance(error, NotSent) else NoAnswer(str(error))


def _note(span: Span, request: Request, answer: Answer, request_id: str) -> None:
    """The vendor's support asks for the request's id, a number that is text to us."""
    span.set_attribute("http.response.status_code", answer.status)
    span.set_attribute("vendor.request_id", request_id)
    if not answer.ok:
        fail_span(span, str(answer.status))
        log.warning(
            "vendor_refused",
            endpoint=request.endpoint,
            status=answer.status,
            code=answer.code,
            request_id=request_id,
        )


def document(raw: bytes) -> Mapping[str, Any]:
    """The JSON object in `raw`, whatever its content type says; empty if it is none.

    Every number stays text: ids may be too large for a number elsewhere.
    """
    try:
        found = json.loads(raw, parse_int=str, parse_float=str)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def members(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object of that name, empty if there is none."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def rows(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects in the list of that name."""
    value = parent.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def number(value: object) -> float | None:
    """A finite number that came as text."""
    try:
        found = float(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and abs(found) < float("inf") else None
