"""The vendor over HTTP, as it is published (v2.x): tasks are created, once, and looked at."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from perfect_adapter.adapters import reading
from perfect_adapter.adapters.calls import Answer, Caller, Request, members, rows, text
from perfect_adapter.adapters.classic import Classic
from perfect_adapter.adapters.downloads import Downloads
from perfect_adapter.adapters.uploads import Uploads
from perfect_adapter.domain.features import Feature
from perfect_adapter.domain.keys import Key
from perfect_adapter.ports import (
    Balance,
    Created,
    Deleted,
    File,
    History,
    Look,
    NoAnswer,
    NotDone,
    Order,
    Styles,
    Submission,
    TimedOut,
    Unreachable,
    Uploaded,
)

_FILES = "/s2s/v2.0/file"
_DELETE = "/s2s/v2.0/task/delete"
_TIMED_OUT = "TaskTimeout"
_CREDIT = "/s2s/v1.0/client/credit"
_HISTORY = f"{_CREDIT}/history"
_TEMPLATES = {"hairstyle": "/s2s/v2.1/task/template/hair-transfer"}


class Perfect:
    """A `Vendor`. It keeps no keys: each call names the one it is charged to."""

    def __init__(self, caller: Caller, classic: Classic, downloads: Downloads, uploads: Uploads) -> None:
        self._caller = caller
        self._classic = classic
        self._put = uploads.put
        self.download = downloads.fetch

    async def create(self, key: Key, order: Order) -> Submission:
        """Order a task, once; see `Vendor`."""
        if order.feature.classic:
            return await self._classic.create(key, order)
        answer = await self._caller.order(key, order)
        if not isinstance(answer, Answer):
            return answer
        task_id = text(answer.data.get("task_id"))
        return Created(task_id) if answer.ok and task_id else answer.not_done("without a task")

    async def look(self, key: Key, feature: Feature, task_id: str) -> Look:
        """How does the task stand? See `Vendor`."""
        path = f"{feature.path}/{quote(task_id, safe='')}"
        answer = await self._caller.call(key, Request("GET", path, f"{feature.path}/{{task_id}}"))
        if not isinstance(answer, Answer):
            return answer
        if answer.code == _TIMED_OUT:
            return TimedOut()
        return reading.look(answer.data) if answer.ok else answer.not_done("")

    async def upload(self, key: Key, files: Sequence[File]) -> Uploaded | NotDone:
        """One call for all; then the bytes go where the vendor says, which costs none."""
        asked = [
            {"content_type": file.content_type, "file_name": file.name, "file_size": len(file.data)} for file in files
        ]
        answer = await self._post(key, _FILES, {"files": asked})
        if not isinstance(answer, Answer):
            return answer
        places = rows(answer.data, "files")
        if not answer.ok or len(places) != len(files):
            return answer.not_done("without a place for each file")
        ids = [text(place.get("file_id")) for place in places]
        sent = [await self._put(file, place) for file, place in zip(files, places, strict=True)]
        if not all(ids) or not all(sent):
            return NoAnswer("files were not taken")
        return Uploaded(tuple(each for each in ids if each))

    async def balance(self, key: Key) -> Balance | NotDone:
        answer = await self._get(key, _CREDIT)
        if not isinstance(answer, Answer):
            return answer
        return Balance(reading.units(rows(answer.document, "results"))) if answer.ok else answer.not_done("")

    async def history(self, key: Key, page: str | None = None) -> History | NotDone:
        answer = await self._get(key, _HISTORY, page, size=30)
        if not isinstance(answer, Answer):
            return answer
        result = members(answer.document, "result")
        if not answer.ok:
            return answer.not_done("")
        return History(reading.charges(rows(result, "history")), text(result.get("next_token")))

    async def templates(self, key: Key, kind: str, page: str | None = None) -> Styles | NotDone:
        answer = await self._get(key, _TEMPLATES[kind], page, size=20)
        if not isinstance(answer, Answer):
            return answer
        if not answer.ok:
            return answer.not_done("")
        return Styles(reading.styles(answer.data), text(answer.data.get("next_token")))

    async def delete(self, key: Key, task_id: str) -> Deleted | NotDone:
        answer = await self._post(key, _DELETE, {"task_id": task_id})
        if not isinstance(answer, Answer):
            return answer
        return Deleted() if answer.ok else answer.not_done("")

    async def _post(self, key: Key, path: str, body: Mapping[str, Any]) -> Answer | Unreachable | NoAnswer:
        return await self._caller.call(key, Request("POST", path, path, body))

    async def _get(
        self, key: Key, path: str, page: str | None = None, *, size: int = 0
    ) -> Answer | Unreachable | NoAnswer:
        query = f"?page_size={size}" if size else ""
        if page:
            query += f"&starting_token={quote(page, safe='')}"
        return await self._caller.call(key, Request("GET", path + query, path))
