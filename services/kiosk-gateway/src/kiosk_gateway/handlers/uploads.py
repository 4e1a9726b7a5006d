"""Leave to bring a picture: whose it is stands in the database before its URL is given out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from closet_chassis.batching import Batcher
from closet_chassis.problems import Problem
from closet_contracts.ids import new_id
from closet_messaging.transaction import Begin

from kiosk_gateway.handlers.idempotency import rounds, settle
from kiosk_gateway.store.idempotency import Answer, Key
from kiosk_gateway.store.intake import add_uploads


@dataclass(frozen=True, slots=True)
class UploadAsked:
    """An upload that a client announces."""

    tenant: str
    user: str
    key: Key | None
    upload_id: str = field(default_factory=lambda: new_id("upl"))


class Uploads:
    """Announces uploads, a transaction for all that wait."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._batcher = Batcher(self._announce)

    async def announce(self, asked: UploadAsked) -> str:
        """The id of the upload: the one given out before where the request is repeated. URLs are never kept.

        Raises:
            Problem: the key was used for something else.
        """
        answer = await self._batcher.submit(asked)
        if isinstance(answer, Problem):
            raise answer
        upload_id: str = answer["uploadId"]
        return upload_id

    async def _announce(self, batch: Sequence[UploadAsked]) -> list[Answer | Problem]:
        answers: dict[str, Answer | Problem] = {}
        async with self._begin() as tx:
            for group in rounds(batch, lambda asked: asked.key):
                offers = [(asked.key, {"uploadId": asked.upload_id}) for asked in group]
                settled = dict(zip(group, await settle(tx.conn, offers), strict=True))
                fresh = [(each.upload_id, each.tenant, each.user) for each in group if settled[each].fresh]
                await add_uploads(tx.conn, fresh)
                answers |= {asked.upload_id: outcome.answer for asked, outcome in settled.items()}
        return [answers[asked.upload_id] for asked in batch]
