"""Storage of results: downloaded from the vendor, checked, and stored as the tenant's results."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import structlog
from closet_contracts.render import ResultFile
from closet_contracts.work import size_of
from closet_storage.keys import result_key
from closet_storage.objects import ObjectStore, StorageUnavailable
from closet_storage.picture import Picture, PictureRejected
from closet_storage.pool import PicturePool, PoolUnavailable

from perfect_adapter.renders.completion import Failure, Success
from perfect_adapter.renders.render import Render
from perfect_adapter.vendor import archives, errors
from perfect_adapter.vendor.answers import DownloadFailed, DownloadRefused, Finished, OverallScore, Score, Succeeded
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.features import ResultKind

log = structlog.get_logger(__name__)

MAX_PICTURES = 8
MAX_MASKS = 60


class NoResult(Exception):
    """The task succeeded, but it has no result."""


@dataclass(frozen=True, slots=True)
class ResultStorage:
    """Stores results. Doing it again gives the same objects."""

    vendor: VendorClient
    objects: ObjectStore
    pictures: PicturePool

    async def store_results(self, render: Render, made: Succeeded) -> tuple[ResultFile, ...]:
        """Store the results of a render.

        Raises:
            NoResult: there are none.
            DownloadFailed, DownloadRefused: the download gave no result.
            PictureRejected, ArchiveRejected: the result is not of the expected kind.
            StorageUnavailable, PoolUnavailable: our part is unavailable; try again later.
        """
        match render.feature.result:
            case ResultKind.PICTURE:
                return await self._pictures(
                    render, [await self.vendor.download(url) for url in made.urls[:MAX_PICTURES]]
                )
            case ResultKind.ANALYSIS:
                return await self._analysis(render, made)
            case ResultKind.ARCHIVE:
                return await self._archive(render, made.urls)

    async def store_inline(self, render: Render, finished: Finished) -> Success | Failure:
        """Store results that came in the answer itself. They cannot be fetched again: what is lost now is paid for."""
        now = datetime.now(UTC)
        try:
            data = [each if isinstance(each, bytes) else await self.vendor.download(each) for each in finished.pictures]
            return Success(await self._pictures(render, data[:MAX_PICTURES]), now)
        except (DownloadFailed, DownloadRefused, StorageUnavailable, PoolUnavailable) as error:
            log.error("result_lost", render_id=render.render_id, error=type(error).__name__)  # noqa: TRY400 no stack
            return Failure(errors.NO_RESULT, None, now)
        except (PictureRejected, NoResult) as error:
            log.error("result_unusable", render_id=render.render_id, error=type(error).__name__)  # noqa: TRY400
            return Failure(errors.BAD_RESULT, None, now)

    async def _pictures(self, render: Render, made: Sequence[bytes]) -> tuple[ResultFile, ...]:
        if not made:
            raise NoResult
        pictures = [await self._check(render, data) for data in made]
        return tuple([await self._picture(render, i, picture) for i, picture in enumerate(pictures)])

    async def _check(self, render: Render, data: bytes) -> Picture:
        picture = await self.pictures.check_result(data)
        size = size_of(render.work)
        if size is None or (size.width, size.height) == (picture.width, picture.height):
            return picture
        return await self.pictures.fit(data, size.width, size.height)

    async def _analysis(self, render: Render, made: Succeeded) -> tuple[ResultFile, ...]:
        masks = {score.mask_url: await self.vendor.download(score.mask_url) for score in _with_masks(made.scores)}
        scores = [(score, masks.get(score.mask_url or "")) for score in made.scores]
        return await self._scores(render, scores, made.overall)

    async def _archive(self, render: Render, urls: Sequence[str]) -> tuple[ResultFile, ...]:
        if not urls:
            raise NoResult
        analysis = await archives.read(await self.vendor.download(urls[0]))
        return await self._scores(render, analysis.scores, analysis.overall)

    async def _scores(
        self, render: Render, scores: Sequence[tuple[Score, bytes | None]], overall: OverallScore
    ) -> tuple[ResultFile, ...]:
        """Store the scores as a document, then each mask as a picture."""
        if not scores:
            raise NoResult
        masks = [(score, await self.pictures.check_result(mask)) for score, mask in scores[:MAX_MASKS] if mask]
        files = [await self._picture(render, i, mask, _label(score)) for i, (score, mask) in enumerate(masks, start=1)]
        named = {(score.concern, score.region): file for (score, _), file in zip(masks, files, strict=True)}
        document = {
            "overall": overall.score,
            "skinAge": overall.skin_age,
            "scores": [_as_json(score, named.get((score.concern, score.region))) for score, _ in scores],
        }
        return await self._document(render, json.dumps(document).encode()), *files

    async def _picture(self, render: Render, i: int, picture: Picture, label: str | None = None) -> ResultFile:
        key = result_key(render.tenant_id, render.job_id, render.item, picture.ext, part=i)
        await self.objects.put(key, picture.data, picture.content_type)
        return ResultFile(
            key=key,
            content_type=picture.content_type,
            width=picture.width,
            height=picture.height,
            size_bytes=len(picture.data),
            sha256=picture.sha256,
            item=render.item,
            label=label,
        )

    async def _document(self, render: Render, data: bytes) -> ResultFile:
        key = result_key(render.tenant_id, render.job_id, render.item, "json")
        await self.objects.put(key, data, "application/json")
        return ResultFile(
            key=key,
            content_type="application/json",
            size_bytes=len(data),
            sha256=sha256(data).hexdigest(),
            item=render.item,
            label="scores",
        )


def _with_masks(scores: Sequence[Score]) -> Iterator[Any]:
    return (score for score in scores[:MAX_MASKS] if score.mask_url)


def _label(score: Score) -> str:
    return f"{score.concern}.{score.region}" if score.region else score.concern


def _as_json(score: Score, mask: ResultFile | None) -> dict[str, Any]:
    return {
        "concern": score.concern,
        "region": score.region,
        "score": score.ui,
        "rawScore": score.raw,
        "value": score.word,
        "mask": mask.key.rpartition("/")[2] if mask else None,
    }
