"""One HTTP call of the vendor's API: sent once, traced, counted, and classified by what is certain afterwards."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload
from closet_chassis.proxies import proxy_for
from closet_chassis.telemetry import current_traceparent, fail_span, span_from
from opentelemetry.trace import Span, SpanKind
from prometheus_client import Counter
from yarl import URL

from perfect_adapter.vendor.answers import CreateRequest, NoAnswer, NotDone, NotMade, Refused, Throttled, Unreachable
from perfect_adapter.vendor.clock import ServerDates
from perfect_adapter.vendor.keys import ApiKey
from perfect_adapter.vendor.leases import Lease, now_s
from perfect_adapter.vendor.parsing import document, members, text

log = structlog.get_logger(__name__)

CALLS = Counter("perfect_api_calls_total", "Calls of the vendor's API", ["endpoint", "status"])

# All of these come before the first byte of a request is written; the last, when a proxy opens no way to the vendor.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
_CONNECT_TIMEOUT_S = 10.0
_LONGEST_ANSWER = 16 << 20  # pictures may come inside one


class RequestNotSent(Exception):
    """The call provably never reached the vendor; `str()` says why."""


class NoResponse(Exception):
    """The call was sent, or may have been, and no answer came; `str()` says what happened instead."""


class LeaseExpired(Exception):
    """The lease expired before the bytes left: nothing was sent."""


class LeasedBody(BytesPayload):
    """JSON. aiohttp keeps a request's headers back until its first bytes of body: either all of it leaves or nothing.

    A connection may take seconds to be made, and a process may be stopped at any time; so it is not enough to check
    before the call.
    """

    def __init__(self, document: Mapping[str, Any], lease: Lease) -> None:
        super().__init__(json.dumps(document).encode(), content_type="application/json")
        self._lease = lease
        self.is_withheld = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body, if the lease holds.

        Raises:
            LeaseExpired: it does not hold.
        """
        if self._lease.is_expired:
            self.is_withheld = True
            raise LeaseExpired
        await super().write_with_length(writer, content_length)


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An HTTP response. `document` is empty if the body was no JSON object."""

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def is_ok(self) -> bool:
        return self.status == HTTPStatus.OK

    @property
    def data(self) -> Mapping[str, Any]:
        """Return the object under `data`."""
        return members(self.document, "data")

    @property
    def code(self) -> str | None:
        """Return the vendor's error code."""
        return text(self.document.get("error_code"))

    @property
    def refusal(self) -> Throttled | Refused | None:
        """Return what a definite 4xx means; 408 is not definite."""
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled()
        if 400 <= self.status < 500 and self.status != HTTPStatus.REQUEST_TIMEOUT:  # noqa: PLR2004 the class of HTTP
            return Refused(self.status, self.code)
        return None

    def not_done(self, what: str) -> NotDone:
        """Return what any other answer than the hoped one means."""
        return self.refusal or NoAnswer(f"HTTP {self.status} {what}")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """An HTTP request. `endpoint`, for metrics and traces, is the path with names in the place of ids."""

    method: str
    path: str
    endpoint: str
    body: Mapping[str, Any] | None = None
    lease: Lease | None = None


class Transport:
    """Calls one host. aiohttp repeats a GET by itself on a dropped connection, a POST never.

    Args:
        session: for this alone.
        base: the host's URL.
        timeout_s: for one call.
        egress: the name of the address that calls come from, sent to sandboxes.
        dates: collects the `Date` headers.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        timeout_s: float,
        *,
        egress: str = "",
        dates: ServerDates | None = None,
    ) -> None:
        self._dates = dates
        self._session = session
        self._base = base.rstrip("/")
        self._headers = {"X-Sandbox-Egress": egress} if egress else {}
        self._proxy = proxy_for(base)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(_CONNECT_TIMEOUT_S, timeout_s))

    async def create(self, key: ApiKey, request: CreateRequest) -> ApiAnswer | Unreachable | NoAnswer | NotMade:
        """Send a create request, once, if its lease still holds when its bytes leave."""
        path = request.feature.path
        try:
            body = request.feature.body(request.task, request.refs)
            return await self.call(key, ApiRequest("POST", path, path, body, request.lease))
        except LeaseExpired:
            log.error("order_withheld", endpoint=path, reason="lease expired")  # noqa: TRY400 no stack needed
            return NotMade("lease expired")

    async def call(self, key: ApiKey, request: ApiRequest) -> ApiAnswer | Unreachable | NoAnswer:
        """Send it, once.

        Raises:
            LeaseExpired: the request's lease had expired: nothing was sent.
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
            except (RequestNotSent, NoResponse) as error:
                return _failed(span, request, error)
            CALLS.labels(request.endpoint, str(answer.status)).inc()
            _trace(span, request, answer, request_id)
            return answer

    async def _exchange(self, key: ApiKey, request: ApiRequest) -> tuple[ApiAnswer, str]:
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
                answer = ApiAnswer(response.status, document(await _bounded(response)), response.headers)
                return answer, response.headers.get("x-request-id", "")
        except _NOT_SENT as error:
            raise RequestNotSent(type(error).__name__) from None
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            if leased and leased.is_withheld:
                raise LeaseExpired from None
            raise NoResponse(type(error).__name__) from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > _LONGEST_ANSWER:
            raise NoResponse("answer too long")
    return bytes(raw)


def _failed(span: Span, request: ApiRequest, error: RequestNotSent | NoResponse) -> Unreachable | NoAnswer:
    outcome = "not_sent" if isinstance(error, RequestNotSent) else "no_answer"
    CALLS.labels(request.endpoint, outcome).inc()
    fail_span(span, str(error))
    log.warning("vendor_call_failed", endpoint=request.endpoint, outcome=outcome, reason=str(error))
    return Unreachable(str(error)) if isinstance(error, RequestNotSent) else NoAnswer(str(error))


def _trace(span: Span, request: ApiRequest, answer: ApiAnswer, request_id: str) -> None:
    """Trace and log the answer. The vendor's support asks for the request's id, a number that is text to us."""
    span.set_attribute("http.response.status_code", answer.status)
    span.set_attribute("vendor.request_id", request_id)
    if not answer.is_ok:
        fail_span(span, str(answer.status))
        log.warning(
            "vendor_refused",
            endpoint=request.endpoint,
            status=answer.status,
            code=answer.code,
            request_id=request_id,
        )
