"""The way of a result: from the vendor, checked and made the size that was asked for, into the tenant's results."""

from collections.abc import Sequence
from dataclasses import dataclass

from closet_contracts.render import ResultFile
from closet_contracts.work import Task, size_of
from closet_storage.keys import result_key
from closet_storage.objects import ObjectStore
from closet_storage.picture import Picture
from closet_storage.pool import PicturePool

from perfect_adapter.ports import Vendor
from perfect_adapter.store.renders import Render

MAX_RESULTS = 8


@dataclass(frozen=True, slots=True)
class Results:
    """Brings results home. Doing it twice gives the same objects."""

    vendor: Vendor
    objects: ObjectStore
    pictures: PicturePool

    async def bring_home(self, render: Render, urls: Sequence[str]) -> tuple[ResultFile, ...]:
        """Store the results of a render.

        Raises:
            DownloadFailed, DownloadRefused: the vendor's storage.
            PictureRejected: what came is no picture.
            StorageUnavailable, PoolUnavailable: it is on us; try again later.
        """
        return tuple([await self._one(render, i, url) for i, url in enumerate(urls[:MAX_RESULTS])])

    async def _one(self, render: Render, i: int, url: str) -> ResultFile:
        picture = await self._picture(await self.vendor.download(url), render.work)
        key = result_key(render.tenant_id, render.job_id, i, picture.ext)
        await self.objects.put(key, picture.data, picture.content_type)
        return ResultFile(
            key=key,
            content_type=picture.content_type,
            width=picture.width,
            height=picture.height,
            size_bytes=len(picture.data),
            sha256=picture.sha256,
        )

    async def _picture(self, data: bytes, work: Task) -> Picture:
        picture = await self.pictures.check_result(data)
        size = size_of(work)
        if size is None or (size.width, size.height) == (picture.width, picture.height):
            return picture
        return await self.pictures.fit(data, size.width, size.height)
