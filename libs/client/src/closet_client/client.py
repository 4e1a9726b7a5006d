"""The client: everything a shop's server, a script or the `closet` command does at the gateway."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict, Unpack
from uuid import uuid4

import aiohttp
from closet_contracts.rpc import TemplatePage
from closet_contracts.work import Category, Concern, Size, Style

from closet_client import items
from closet_client.errors import TransferFailed
from closet_client.follow import follow, wait
from closet_client.hosts import Hosts
from closet_client.items import Item, Picture
from closet_client.models import (
    Balance,
    Consent,
    CreatedJob,
    Estimate,
    Job,
    JobEvent,
    JobPage,
    JobStatus,
    UploadTicket,
)
from closet_client.pictures import SUFFIXES, source_of
from closet_client.retries import RetryPolicy
from closet_client.tokens import ApiKey, Session, TokenKeeper
from closet_client.transfer import Downloaded, Progress, download, put
from closet_client.transport import Transport
from closet_client.wire import ContextHeaders, Wire

_UPLOAD_ATTEMPTS = 3


class How(TypedDict, total=False):
    """What every request for work may say beside what it asks for.

    The consent that counts is the one on record; `consent=False` refuses without asking for it. The job costs what the
    estimate of `quote_id` said, as long as that holds. With an `idempotency_key` of your own the call may be made again
    after a crash without a second job.
    """

    consent: bool | None
    quote_id: str | None
    idempotency_key: str | None


def _untold(_done: int, _total: int) -> None:
    return None


def _no_headers() -> Mapping[str, str]:
    return {}


class ClosetClient:
    """An async context manager; one for a process is enough, its methods may run at the same time.

    Every method raises `ApiProblem` where the gateway says no and `Unreachable` where no replica answers.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        credentials: ApiKey | Session,
        *,
        retries: RetryPolicy | None = None,
        context: ContextHeaders = _no_headers,
    ) -> None:
        """Take one base URL per replica; `context` gives headers for each request, such as `traceparent`."""
        self._hosts = Hosts([urls] if isinstance(urls, str) else urls)
        self._credentials = credentials
        self._retries = retries or RetryPolicy()
        self._context = context

    async def __aenter__(self) -> Self:
        """Open connections lazily, keep no cookies."""
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        wire = Wire(self._session, self._hosts, self._context)
        self._api = Transport(wire, TokenKeeper(wire, self._credentials), self._retries)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._session.close()

    async def consent(self) -> Consent:
        """Whether the person has agreed to the version in force."""
        return Consent.model_validate((await self._api.get("/consent")).body)

    async def give_consent(self, version: str | None = None) -> Consent:
        """Record that the person has agreed, after asking them; to `version` and no other, where it is named."""
        body = {"given": True, **({"version": version} if version else {})}
        return Consent.model_validate((await self._api.post("/consent", body)).body)

    async def withdraw_consent(self) -> Consent:
        """Record that the person takes their word back; work that has not reached the vendor stops."""
        return Consent.model_validate((await self._api.post("/consent", {"given": False})).body)

    async def upload(
        self, picture: bytes | str | Path, *, content_type: str | None = None, on_progress: Progress = _untold
    ) -> UploadTicket:
        """Bring a picture to storage and return what names it. A broken transfer starts again with a fresh URL.

        Raises:
            NotAPicture: no `content_type` was named, and the bytes look like no picture.
            TransferFailed: storage did not take it, again and again.
        """
        source = await source_of(Path(picture) if isinstance(picture, str) else picture, content_type)
        # A file's own name may be a person's: it stays here.
        name = f"picture{SUFFIXES.get(source.content_type, '')}"
        asked = {"filename": name, "contentType": source.content_type, "size": source.size}
        same_upload = str(uuid4())  # repeated with it, the request gives the same upload a fresh URL
        for attempt in range(1, _UPLOAD_ATTEMPTS + 1):
            answer = await self._api.post("/gen/upload-url", asked, idempotency_key=same_upload)
            ticket = UploadTicket.model_validate(answer.body)
            try:
                await put(self._session, ticket.upload_url, ticket.headers, source, on_progress)
            except TransferFailed:
                if attempt == _UPLOAD_ATTEMPTS:
                    raise
            else:
                break
        return ticket

    async def estimate(self, item: Item | None = None, *, size: Size | None = None) -> Estimate:
        """What an item would cost now, or a try-on of that size. It need not be complete: its terms are enough."""
        asked = items.terms(item or items.try_on("", "", size=size))
        return Estimate.model_validate((await self._api.post("/gen/estimate", asked)).body)

    async def create(self, item: Item, **how: Unpack[How]) -> CreatedJob:
        """Ask for an item, as `closet_client.items` makes them; see `How`."""
        fields = {"consent": how.get("consent"), "quoteId": how.get("quote_id")}
        body = {**item, **{name: value for name, value in fields.items() if value is not None}}
        answer = await self._api.post(f"/gen/{item['type']}", body, idempotency_key=how.get("idempotency_key"))
        return CreatedJob.model_validate(answer.body)

    async def try_on(
        self,
        person: Picture,
        garment: Picture,
        *,
        category: Category = Category.TOP,
        size: Size | None = None,
        **how: Unpack[How],
    ) -> CreatedJob:
        """Ask for a picture of the person wearing the garment."""
        return await self.create(items.try_on(person, garment, category=category, size=size), **how)

    async def text_to_image(
        self,
        prompt: str,
        *,
        negative_prompt: str | None = None,
        style: Style | None = None,
        size: Size | None = None,
        variants: int = 1,
        **how: Unpack[How],
    ) -> CreatedJob:
        """Ask for pictures made from words."""
        item = items.text_to_image(prompt, negative_prompt=negative_prompt, style=style, size=size, variants=variants)
        return await self.create(item, **how)

    async def edit(
        self,
        picture: Picture,
        prompt: str,
        *,
        mask: Picture | None = None,
        negative_prompt: str | None = None,
        size: Size | None = None,
        **how: Unpack[How],
    ) -> CreatedJob:
        """Ask for the picture to be changed as the prompt says; with a mask, only where that is white."""
        item = items.edit(picture, prompt, mask=mask, negative_prompt=negative_prompt, size=size)
        return await self.create(item, **how)

    async def hairstyle(
        self, picture: Picture, *, reference: Picture | None = None, template: str | None = None, **how: Unpack[How]
    ) -> CreatedJob:
        """Ask for a picture of the person with the hair of the reference picture or of the template."""
        return await self.create(items.hairstyle(picture, reference=reference, template=template), **how)

    async def analyse_skin(
        self, picture: Picture, concerns: Sequence[Concern], *, hd: bool = False, **how: Unpack[How]
    ) -> CreatedJob:
        """Ask for scores of the face's skin."""
        return await self.create(items.skin_analysis(picture, concerns, hd=hd), **how)

    async def batch(self, wanted: Sequence[Item], **how: Unpack[How]) -> CreatedJob:
        """Ask for all of these items in one job, which completes with those that could be made."""
        return await self.create(items.batch(wanted), **how)

    async def templates(self, kind: str = "hairstyle", *, limit: int = 50, cursor: str | None = None) -> TemplatePage:
        """The styles that the vendor offers for a kind of work."""
        params = {"type": kind, "limit": str(limit), **({"cursor": cursor} if cursor else {})}
        return TemplatePage.model_validate((await self._api.get("/gen/templates", params=params)).body)

    async def job(self, job_id: str) -> Job:
        """A job as it stands."""
        return Job.model_validate((await self._api.get(f"/gen/job/{job_id}")).body)

    async def jobs(self, *, status: JobStatus | None = None, limit: int = 20, cursor: str | None = None) -> JobPage:
        """The user's jobs, the newest first."""
        asked = {"limit": str(limit), "status": status, "cursor": cursor}
        params = {name: value for name, value in asked.items() if value}
        return JobPage.model_validate((await self._api.get("/gen/jobs", params=params)).body)

    async def cancel(self, job_id: str) -> Job:
        """Give the job up: as it ended, with what is charged, or as it stands if that is not known within 10 s."""
        return Job.model_validate((await self._api.post(f"/gen/job/{job_id}/cancel", {})).body)

    def follow(self, job_id: str, *, last_event_id: str = "") -> AsyncGenerator[JobEvent, None]:
        """The job's timeline as it grows, each event once, until the job has ended."""
        return follow(self._api, job_id, last_event_id)

    async def wait(self, job_id: str) -> Job:
        """The job when it has ended, however it did. Bound it with `asyncio.timeout`."""
        return await wait(self._api, job_id)

    async def download(self, url: str, path: str | Path, *, on_progress: Progress = _untold) -> Downloaded:
        """Save a result; see `closet_client.transfer.download`."""
        return await download(self._session, url, Path(path), on_progress)

    async def balance(self) -> Balance:
        """The tenant's credits."""
        return Balance.model_validate((await self._api.get("/billing/balance")).body)
