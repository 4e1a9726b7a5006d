"""URLs to upload pictures to."""

from aiohttp import web
from closet_chassis.http import read_model
from closet_contracts.upload import UPLOAD_RULES
from closet_storage import media_types

from kiosk_gateway.domain.refusals import (
    SIZE_REQUIRED,
    UNSUPPORTED_CONTENT_TYPE,
    UNSUPPORTED_PICTURE_FORMAT,
    UPLOAD_TOO_LARGE,
)
from kiosk_gateway.handlers.problems import problem
from kiosk_gateway.handlers.uploads import NewUpload, UploadUrls
from kiosk_gateway.http.models import UploadRequest, UploadTicket
from kiosk_gateway.http.route import CALLER, idempotency_key, reply_private


class UploadEndpoints:
    """Serves upload URLs."""

    def __init__(self, urls: UploadUrls) -> None:
        self._urls = urls

    async def create_url(self, request: web.Request) -> web.StreamResponse:
        """POST /gen/upload-url."""
        body = await read_model(request, UploadRequest)
        size = _accepted_size(body)
        caller = request[CALLER]
        upload = NewUpload(caller.tenant, caller.user, idempotency_key(request, body))
        upload_id, signed = await self._urls.create(
            upload, content_type=body.content_type, size=size, sha256=body.sha256
        )
        ticket = UploadTicket(
            upload_id=upload_id,
            key=signed.key,
            upload_url=signed.url,
            headers=signed.headers,
            expires_in=signed.expires_in,
        )
        return reply_private(ticket)


def _accepted_size(body: UploadRequest) -> int:
    """Return the size of the picture; refuse a picture that could not be used after its upload."""
    kind = media_types.canonical(body.content_type)
    if kind in media_types.CONVERTIBLE:
        raise problem(UNSUPPORTED_PICTURE_FORMAT)
    if kind not in UPLOAD_RULES.content_types:
        raise problem(UNSUPPORTED_CONTENT_TYPE)
    if body.size is None:
        raise problem(SIZE_REQUIRED)
    if body.size > UPLOAD_RULES.max_bytes:
        raise problem(UPLOAD_TOO_LARGE)
    return body.size
