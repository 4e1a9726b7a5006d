"""What the vendor's answers have in common."""

import secrets
from typing import Any

import orjson
from aiohttp import web

from closet_devstack.sandbox.perfect.errors import Refused


def answer(document: dict[str, Any], status: int = 200) -> web.Response:
    """JSON, with the number that their support asks for."""
    return web.Response(
        body=orjson.dumps(document),
        status=status,
        content_type="application/json",
        headers={"x-request-id": str(secrets.randbits(63) | 1 << 60)},
    )


def refusal(refused: Refused) -> web.Response:
    """The envelope of every 4xx and 5xx."""
    document: dict[str, Any] = {"status": refused.status, "error": refused.sentence}
    if refused.code is not None:
        document["error_code"] = refused.code
    return answer(document, refused.status)
