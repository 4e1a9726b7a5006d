"""URLs to upload pictures to."""

from aiohttp import web
from closet_chassis.http import read_model
from closet_contracts.rpc import SignPut
from closet_messaging.bus import Bus
from closet_storage import media_types

from kiosk_gateway.domain.refusals import (
    SIZE_REQUIRED,
    UNSUPPORTED_CONTENT_TYPE,
    UNSUPPORTED_PICTURE_FORMAT,
    UPLOAD_TOO_LARGE,
)
from kiosk_gateway.handlers.problems import ask, problem
from kiosk_gateway.handlers.uploads import NewUpload, Uploads
from kiosk_gateway.http.models import UploadRequest, UploadTicket
from kiosk_gateway.http.route import CALLER, idempotency_key, reply_private

MAX_UPLOAD_BYTES = 10 * 1024 * 1024


class UploadEndpoints:
    """Serves upload URLs, signed by upload-signer."""

    def __init__(self, uploads: Uploads, bus: Bus) -> None:
        self._uploads = uploads
        self._bus = bus

    async def create_url(self, request: web.Request) -> web.StreamResponse:
        """POST /gen/upload-url."""
        body = await read_model(request, UploadRequest)
        _check(body)
        caller = request[CALLER]
        upload = NewUpload(caller.tenant, caller.user, idempotency_key(request, body))
        upload_id = await self._uploads.announce(upload)
        put = SignPut(
            tenant_id=caller.tenant,
            upload_id=upload_id,
            content_type=body.content_type,
            size=body.size,
            sha256=body.sha256,
        )
        signed = await ask(self._bus, put)
        ticket = UploadTicket(
            upload_id=upload_id,
            key=signed.key,
            upload_url=signed.url,
            headers=signed.headers,
            expires_in=signed.expires_in,
        )
        return reply_private(ticket)


def _check(body: UploadRequest) -> None:
    """Refuse a picture that could not be used after its upload."""
    kind = media_types.canonical(body.content_type)
    if kind in media_types.CONVERTIBLE:
        raise problem(UNSUPPORTED_PICTURE_FORMAT)
    if kind not in media_types.PICTURES:
        raise problem(UNSUPPORTED_CONTENT_TYPE)
    if body.size is None:
        raise problem(SIZE_REQUIRED)
    if body.size > MAX_UPLOAD_BYTES:
        raise problem(UPLOAD_TOO_LARGE)
