"""Stripe's errors."""

from typing import Any

import orjson
from aiohttp import web


class StripeError(Exception):
    """A refusal, in Stripe's envelope."""

    def __init__(self, status: int, kind: str, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"error": {"type": kind, "message": message} | ({"code": code} if code else {})}


def invalid(message: str, code: str | None = None, status: int = 400) -> StripeError:
    """`invalid_request_error`."""
    return StripeError(status, "invalid_request_error", message, code)


def missing(what: str, name: str) -> StripeError:
    """404 `resource_missing`."""
    return invalid(f"No such {what}: '{name}'", "resource_missing", 404)


def answer(body: dict[str, Any], status: int = 200) -> web.Response:
    """A JSON answer as Stripe gives it."""
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
