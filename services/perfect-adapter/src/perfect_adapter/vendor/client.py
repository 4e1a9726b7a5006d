"""The client of the vendor's published API (v2.x): create a task, once, poll it, and what surrounds that."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from perfect_adapter.vendor import parsing
from perfect_adapter.vendor.answers import (
    Balance,
    CreateAnswer,
    Created,
    CreateRequest,
    Deleted,
    HistoryPage,
    InputFile,
    NoAnswer,
    NotDone,
    PollAnswer,
    TimedOut,
    Unreachable,
    Uploaded,
    VendorTemplatePage,
)
from perfect_adapter.vendor.classic import ClassicProfile
from perfect_adapter.vendor.downloads import ResultDownloader
from perfect_adapter.vendor.features import Feature
from perfect_adapter.vendor.keys import ApiKey
from perfect_adapter.vendor.parsing import members, rows, text
from perfect_adapter.vendor.transport import ApiAnswer, ApiRequest, Transport
from perfect_adapter.vendor.uploads import InputUploader

_FILES = "/s2s/v2.0/file"
_DELETE = "/s2s/v2.0/task/delete"
_TIMED_OUT = "TaskTimeout"
_CREDIT = "/s2s/v1.0/client/credit"
_HISTORY = f"{_CREDIT}/history"
_TEMPLATES = {"hairstyle": "/s2s/v2.1/task/template/hair-transfer"}


class VendorClient:
    """Every method but `download` is one call of the vendor's quota, which its caller has charged to that key."""

    def __init__(
        self, transport: Transport, classic: ClassicProfile, downloader: ResultDownloader, uploader: InputUploader
    ) -> None:
        self._transport = transport
        self._classic = classic
        self._uploader = uploader
        self._downloader = downloader

    async def create(self, key: ApiKey, request: CreateRequest) -> CreateAnswer:
        """Create a task, once. It is billed: only the caller may decide to call again."""
        if request.feature.is_classic:
            return await self._classic.create(key, request)
        answer = await self._transport.create(key, request)
        if not isinstance(answer, ApiAnswer):
            return answer
        task_id = text(answer.data.get("task_id"))
        return Created(task_id) if answer.is_ok and task_id else answer.not_done("without a task")

    async def get_task(self, key: ApiKey, feature: Feature, task_id: str) -> PollAnswer:
        """Return the task's status, and where its results are."""
        path = f"{feature.path}/{quote(task_id, safe='')}"
        answer = await self._transport.call(key, ApiRequest("GET", path, f"{feature.path}/{{task_id}}"))
        if not isinstance(answer, ApiAnswer):
            return answer
        if answer.code == _TIMED_OUT:
            return TimedOut()
        return parsing.parse_task(answer.data) if answer.is_ok else answer.not_done("")

    async def upload(self, key: ApiKey, files: Sequence[InputFile]) -> Uploaded | NotDone:
        """Upload pictures to the vendor's storage: one call for all; sending the bytes then costs none."""
        wanted = [
            {"content_type": file.content_type, "file_name": file.name, "file_size": len(file.data)} for file in files
        ]
        answer = await self._post(key, _FILES, {"files": wanted})
        if not isinstance(answer, ApiAnswer):
            return answer
        places = rows(answer.data, "files")
        if not answer.is_ok or len(places) != len(files):
            return answer.not_done("without a place for each file")
        ids = [text(place.get("file_id")) for place in places]
        sent = [await self._uploader.put(file, place) for file, place in zip(files, places, strict=True)]
        if not all(ids) or not all(sent):
            return NoAnswer("files were not taken")
        return Uploaded(tuple(each for each in ids if each))

    async def balance(self, key: ApiKey) -> Balance | NotDone:
        """Return what the key's account has left."""
        answer = await self._get(key, _CREDIT)
        if not isinstance(answer, ApiAnswer):
            return answer
        return Balance(parsing.units(rows(answer.document, "results"))) if answer.is_ok else answer.not_done("")

    async def history(self, key: ApiKey, page: str | None = None) -> HistoryPage | NotDone:
        """Return a page of the account's charges, the newest first."""
        answer = await self._get(key, _HISTORY, page, size=30)
        if not isinstance(answer, ApiAnswer):
            return answer
        result = members(answer.document, "result")
        if not answer.is_ok:
            return answer.not_done("")
        return HistoryPage(parsing.charges(rows(result, "history")), text(result.get("next_token")))

    async def templates(self, key: ApiKey, kind: str, page: str | None = None) -> VendorTemplatePage | NotDone:
        """Return a page of the templates for this kind of work."""
        answer = await self._get(key, _TEMPLATES[kind], page, size=20)
        if not isinstance(answer, ApiAnswer):
            return answer
        if not answer.is_ok:
            return answer.not_done("")
        return VendorTemplatePage(parsing.templates(answer.data), text(answer.data.get("next_token")))

    async def delete(self, key: ApiKey, task_id: str) -> Deleted | NotDone:
        """Delete a finished task with its files."""
        answer = await self._post(key, _DELETE, {"task_id": task_id})
        if not isinstance(answer, ApiAnswer):
            return answer
        return Deleted() if answer.is_ok else answer.not_done("")

    async def download(self, url: str) -> bytes:
        """Return a result's bytes.

        Raises:
            DownloadFailed: not now, or not from this URL any more.
            DownloadRefused: never.
        """
        return await self._downloader.fetch(url)

    async def _post(self, key: ApiKey, path: str, body: Mapping[str, Any]) -> ApiAnswer | Unreachable | NoAnswer:
        return await self._transport.call(key, ApiRequest("POST", path, path, body))

    async def _get(
        self, key: ApiKey, path: str, page: str | None = None, *, size: int = 0
    ) -> ApiAnswer | Unreachable | NoAnswer:
        query = f"?page_size={size}" if size else ""
        if page:
            query += f"&starting_token={quote(page, safe='')}"
        return await self._transport.call(key, ApiRequest("GET", path + query, path))
