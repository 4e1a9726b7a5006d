"""Errors of an HTTP API as RFC 9457 `application/problem+json`."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from aiohttp import web
from opentelemetry import trace
from pydantic import ValidationError

from closet_chassis.postgres import is_unavailable

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_ERRORS = 20
MAX_PATH = 100
PREPARED = web.RequestKey("prepared", bool)

# The others are named after HTTP's own phrases, but for two that changed between Python's versions.
_CODES = {413: "body_too_large", 416: "range_not_satisfiable", 422: "unprocessable_content", 500: "internal"}
_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    413: "The body is larger than this address takes.",
    500: "Something went wrong on our side.",
    503: "A part of the service is away for the moment. Please try again.",
}


class Problem(Exception):
    """An error that a client may see. Extensions become members of the answer, so name them in camelCase."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,  # noqa: ANN401 any JSON
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.extensions = extensions

    def response(self) -> web.Response:
        """The answer to send."""
        body: dict[str, Any] = {
            **self.extensions,
            "type": f"urn:closet:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            body["traceId"] = format(context.trace_id, "032x")
        return web.Response(
            status=self.status,
            body=orjson.dumps(body, default=str),
            content_type="application/problem+json",
            headers={"Cache-Control": "no-store", **self.headers},
        )


def invalid_request(error: ValidationError) -> Problem:
    """What is wrong where, without a word of what was sent."""
    errors = [
        {"path": ".".join(map(str, item["loc"]))[:MAX_PATH], "message": _message(item)}
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
    ]
    return Problem(422, "invalid_request", "The request is not as it should be.", errors=errors)


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error as a problem; what was not foreseen is logged and told as nothing but `internal`."""
    try:
        return await handler(request)
    except Exception as error:
        if request.get(PREPARED):  # too late for another answer; the connection breaks off
            raise
        if isinstance(error, web.HTTPException) and error.status < HTTPStatus.BAD_REQUEST:
            return _redirect(error)
        return _problem_of(error).response()


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, web.HTTPException):
        return _from_http(error)
    if is_unavailable(error):
        log.warning("request_failed_unavailable", error=type(error).__name__)
        return Problem(503, "unavailable", _DETAILS[503], headers={"Retry-After": "1"})
    log.error("request_failed", exc_info=error)
    return Problem(500, "internal", _DETAILS[500])


def _from_http(error: web.HTTPException) -> Problem:
    phrase = HTTPStatus(error.status).phrase
    code = _CODES.get(error.status, phrase.lower().replace(" ", "_").replace("-", "_"))
    headers = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
    return Problem(error.status, code, _DETAILS.get(error.status, f"{phrase}."), headers=headers)


def _redirect(error: web.HTTPException) -> web.Response:
    # aiohttp wants its exceptions raised, not returned; further out only answers are expected.
    response = web.Response(status=error.status, headers=error.headers)
    response.cookies.update(error.cookies)
    return response


def _message(item: Mapping[str, Any]) -> str:
    # This one message quotes the input.
    return "Input tag does not match any expected one" if item["type"] == "union_tag_invalid" else str(item["msg"])
