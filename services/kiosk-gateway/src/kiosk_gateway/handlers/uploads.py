"""Announce uploads: an upload's owner is stored before its URL is given out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from closet_chassis.batching import Batcher
from closet_chassis.problems import Problem
from closet_contracts.ids import new_id
from closet_contracts.rpc import SignedPut, SignPut
from closet_messaging.bus import Bus
from closet_messaging.transaction import Begin

from kiosk_gateway.handlers.idempotency import resolve, without_duplicate_keys
from kiosk_gateway.handlers.problems import ask
from kiosk_gateway.store.idempotency import Answer, Key
from kiosk_gateway.store.intake import add_uploads


@dataclass(frozen=True, slots=True)
class NewUpload:
    """An upload that a client announces."""

    tenant: str
    user: str
    key: Key | None
    upload_id: str = field(default_factory=lambda: new_id("upl"))

    @property
    def answer(self) -> Answer:
        """The answer to store; URLs are never stored."""
        return {"uploadId": self.upload_id}


class Uploads:
    """Announces uploads, one transaction for all that wait."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._batcher = Batcher(self._handle)

    async def announce(self, upload: NewUpload) -> str:
        """Store the upload's owner and return its id; the first one's id if the request is repeated.

        Raises:
            Problem: the key was used for a different request.
        """
        answer = await self._batcher.submit(upload)
        if isinstance(answer, Problem):
            raise answer
        upload_id: str = answer["uploadId"]
        return upload_id

    async def _handle(self, batch: Sequence[NewUpload]) -> list[Answer | Problem]:
        answers: dict[str, Answer | Problem] = {}
        async with self._begin() as tx:
            for group in without_duplicate_keys(batch, attrgetter("key")):
                resolved = await resolve(tx.conn, group)
                new = [each.proposal for each in resolved if each.is_new]
                await add_uploads(tx.conn, [(each.upload_id, each.tenant, each.user) for each in new])
                answers |= {each.proposal.upload_id: each.answer for each in resolved}
        return [answers[upload.upload_id] for upload in batch]


class UploadUrls:
    """Announces uploads and asks upload-signer for their URLs."""

    def __init__(self, uploads: Uploads, bus: Bus) -> None:
        self._uploads = uploads
        self._bus = bus

    async def create(
        self, upload: NewUpload, *, content_type: str, size: int, sha256: str | None
    ) -> tuple[str, SignedPut]:
        """Return the id of the announced upload and its signed URL, which accepts exactly this content.

        Raises:
            Problem: the key was used for a different request, or upload-signer does not answer.
        """
        upload_id = await self._uploads.announce(upload)
        put = SignPut(tenant_id=upload.tenant, upload_id=upload_id, content_type=content_type, size=size, sha256=sha256)
        return upload_id, await ask(self._bus, put)
