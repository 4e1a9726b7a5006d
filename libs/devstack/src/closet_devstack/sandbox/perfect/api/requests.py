"""What calls of the API have in common."""

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from closet_devstack.sandbox.perfect.errors import Refused, invalid


async def body(request: web.Request) -> dict[str, Any]:
    """The JSON object that was sent. Raises Refused for anything else."""
    try:
        document = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise Refused(400, "BadRequest", "not JSON") from None
    if not isinstance(document, dict):
        raise Refused(400, "BadRequest", "not an object")
    return document


def base(request: web.Request) -> str:
    """The URL of this vendor, as its caller knows it, also through a proxy that ends TLS and says so."""
    return f"{request.headers.get('X-Forwarded-Proto', request.scheme)}://{request.host}"


_USUAL_PAGE = 20


def page(request: web.Request, rows: Sequence[Any], largest: int) -> tuple[list[Any], str | None]:
    """A page, and the token of the next one. Tokens count from the end, so that new rows move nothing."""
    token = request.query.get("starting_token", "")
    try:
        size = int(request.query.get("page_size", _USUAL_PAGE))
        left = len(rows) if token in {"", "null"} else int(token)
    except ValueError:
        raise invalid("page_size and starting_token") from None
    if not 1 <= size <= largest:
        raise invalid(f"page_size must be from 1 to {largest}")
    start = max(0, len(rows) - left)
    return list(rows[start : start + size]), str(left - size) if left > size else None
