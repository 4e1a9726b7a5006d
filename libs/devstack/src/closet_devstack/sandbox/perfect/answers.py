"""What the vendor's answers have in common."""

from typing import Any

import orjson
from aiohttp import web

from closet_devstack.sandbox.perfect.errors import Refused
from closet_devstack.sandbox.perfect.ids import large_number

_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr></body></html>"


def answer(document: dict[str, Any], status: int = 200) -> web.Response:
    """JSON, with the number that their support asks for."""
    return _answer(orjson.dumps(document), status, "application/json")


def refusal(refused: Refused) -> web.Response:
    """What a refused call gets."""
    if refused.as_page:
        page = _PAGE.format(f"{refused.status} {refused.sentence}")
        return _answer(page.encode(), refused.status, "text/html")
    document: dict[str, Any] = {"status": refused.status, "error": refused.sentence}
    if refused.code is not None:
        document["error_code"] = refused.code
    return answer(document, refused.status)


def _answer(body: bytes, status: int, content_type: str) -> web.Response:
    headers = {"x-request-id": str(large_number())}
    return web.Response(body=body, status=status, content_type=content_type, headers=headers)
