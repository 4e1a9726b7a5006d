"""Leave to bring a picture."""

from aiohttp import web
from closet_chassis.http import read_model, reply
from closet_contracts.rpc import SignPut
from closet_storage import media_types

from kiosk_gateway.domain.refusals import (
    SIZE_REQUIRED,
    UNSUPPORTED_CONTENT_TYPE,
    UNSUPPORTED_PICTURE_FORMAT,
    UPLOAD_TOO_LARGE,
)
from kiosk_gateway.handlers.refusing import ask, refuse
from kiosk_gateway.handlers.uploads import UploadAsked
from kiosk_gateway.http.context import CALLER, GATEWAY, idempotency_key
from kiosk_gateway.http.models import UploadRequest, UploadTicket

MAX_UPLOAD_BYTES = 10 * 1024 * 1024
_PRIVATE = {"Cache-Control": "private, no-store"}


async def upload_url(request: web.Request) -> web.StreamResponse:
    """POST /gen/upload-url."""
    body = await read_model(request, UploadRequest)
    _check(body)
    gateway, caller = request.app[GATEWAY], request[CALLER]
    asked = UploadAsked(caller.tenant, caller.user, idempotency_key(request, body))
    upload_id = await gateway.uploads.announce(asked)
    put = SignPut(
        tenant_id=caller.tenant,
        upload_id=upload_id,
        content_type=body.content_type,
        size=body.size,
        sha256=body.sha256,
    )
    signed = await ask(gateway.bus, put)
    ticket = UploadTicket(
        upload_id=upload_id,
        key=signed.key,
        upload_url=signed.url,
        headers=signed.headers,
        expires_in=signed.expires_in,
    )
    return reply(ticket, headers=_PRIVATE)


def _check(body: UploadRequest) -> None:
    """Refuse what could not be used once it was there."""
    kind = media_types.canonical(body.content_type)
    if kind in media_types.CONVERTIBLE:
        raise refuse(UNSUPPORTED_PICTURE_FORMAT)
    if kind not in media_types.PICTURES:
        raise refuse(UNSUPPORTED_CONTENT_TYPE)
    if body.size is None:
        raise refuse(SIZE_REQUIRED)
    if body.size > MAX_UPLOAD_BYTES:
        raise refuse(UPLOAD_TOO_LARGE)
