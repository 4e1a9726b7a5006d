"""What can go wrong, in words that may be shown and logged: no tokens, no signed URLs, no file names."""

from collections.abc import Mapping
from typing import Any


class ClosetError(Exception):
    """Base of every error of this package."""


class Unreachable(ClosetError):
    """No replica answered; whether the request was carried out is not known."""


class TransferFailed(ClosetError):
    """Storage did not take or give the bytes. `status` is its answer, None where the connection broke."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """Keep the status beside the sentence."""
        super().__init__(message)
        self.status = status


class NotAPicture(ClosetError):
    """The bytes are no picture that the gateway takes, and cannot be made one here."""


class ApiProblem(ClosetError):
    """The gateway said no: a status, a stable code, a sentence, and the trace to look it up by."""

    def __init__(
        self, status: int, code: str, detail: str, trace_id: str | None = None, *, retry_after: float | None = None
    ) -> None:
        """`retry_after` is in seconds, None where the gateway named none."""
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.trace_id = trace_id
        self.retry_after = retry_after


def problem_from(status: int, headers: Mapping[str, str], body: object) -> ApiProblem:
    """The problem that an answer tells of; one that is not problem+json gets the code `http_<status>`."""
    told: dict[str, Any] = body if isinstance(body, dict) else {}
    detail = str(told.get("detail") or told.get("title") or f"The server answered {status}.")
    fields = [f"{each.get('path')}: {each.get('message')}" for each in told.get("errors", ()) if isinstance(each, dict)]
    return ApiProblem(
        status,
        str(told.get("code") or f"http_{status}"),
        " ".join([detail, *fields]),
        told.get("traceId"),
        retry_after=_seconds(headers.get("Retry-After")),
    )


def _seconds(value: str | None) -> float | None:
    # The gateway sends whole seconds; a date (a proxy's) is treated as unnamed.
    return float(value) if value is not None and value.strip().isdigit() else None
