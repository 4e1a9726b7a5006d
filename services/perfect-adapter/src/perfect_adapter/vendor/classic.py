"""The classic profile of the vendor: a picture is made while the call waits, and comes in the answer.

It can do less than v2.x: no history to find a lost order in, no task to poll, no scores of skin. Nothing of it is
repeated.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import structlog
from prometheus_client import Gauge

from perfect_adapter.vendor.answers import CreateAnswer, CreateRequest, Finished
from perfect_adapter.vendor.keys import ApiKey
from perfect_adapter.vendor.parsing import number, rows, text
from perfect_adapter.vendor.transport import ApiAnswer, Transport

log = structlog.get_logger(__name__)

UNITS = Gauge("closet_vendor_classic_units", "Units left of an account, by the classic profile", ["key"])

_LEFT = ("x-credit-remaining", "x-credits-remaining", "x-api-credit")


class ClassicProfile:
    """Creates pictures by the classic profile."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, key: ApiKey, request: CreateRequest) -> CreateAnswer:
        """Carry out the task, once, while the call waits."""
        answer = await self._transport.create(key, request)
        if not isinstance(answer, ApiAnswer):
            return answer
        _note_units(key, answer)
        pictures = _pictures(answer.document) if answer.is_ok else ()
        return Finished(pictures) if pictures else answer.not_done("without a picture")


def _pictures(document: Mapping[str, Any]) -> tuple[bytes | str, ...]:
    """Return the pictures of `image_base64`, `image_url`, or `images: [{base64}|{url}]`."""
    named = [{"base64": document.get("image_base64"), "url": document.get("image_url")}]
    found = [_picture(each) for each in (*named, *rows(document, "images"))]
    return tuple(each for each in found if each)


def _picture(each: Mapping[str, Any]) -> bytes | str | None:
    if encoded := text(each.get("base64")):
        try:
            return base64.b64decode(encoded.partition(",")[2] if encoded.startswith("data:") else encoded)
        except binascii.Error:
            log.warning("vendor_answer_unreadable", part="base64")
    return text(each.get("url"))


def _note_units(key: ApiKey, answer: ApiAnswer) -> None:
    left = next((number(answer.headers[name]) for name in _LEFT if name in answer.headers), None)
    if left is not None:
        UNITS.labels(key.name).set(left)
