"""What goes to the vendor: the checked inputs, made fit for the feature, by our signed URL or uploaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import structlog
from closet_contracts.upload import Asset
from closet_contracts.work import Role
from closet_storage.keys import prepared_key
from closet_storage.objects import NotFound, ObjectStore, StorageUnavailable
from closet_storage.picture import Picture, PictureRejected
from closet_storage.pool import PicturePool, PoolUnavailable
from closet_storage.signing import Signer

from perfect_adapter.domain import errors
from perfect_adapter.domain.bodies import Reference, References
from perfect_adapter.domain.errors import Failure
from perfect_adapter.domain.features import InputTooNarrow, InputTooSmall, Preparation, preparations
from perfect_adapter.domain.keys import Key, is_about_the_key
from perfect_adapter.ports import File, NotDone, Refused, Uploaded, Vendor
from perfect_adapter.store.render import Render

log = structlog.get_logger(__name__)

URL_LIVES_S = 3600
MAX_INPUT_BYTES = 10 * 1024 * 1024


_SETBACKS = (InputTooSmall, InputTooNarrow, PictureRejected, NotFound, StorageUnavailable, PoolUnavailable)


@dataclass(frozen=True, slots=True)
class NotUsable:
    """Nothing was ordered: because of the pictures, or, without a failure, because something of ours is away."""

    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Inputs:
    """Makes references to a render's inputs.

    Args:
        way: by our signed `url`, or as files that are `upload`ed, where the vendor cannot reach our storage.
        signer: for the endpoint that the vendor uses.
    """

    way: Literal["url", "upload"]
    signer: Signer
    objects: ObjectStore
    pictures: PicturePool
    vendor: Vendor

    def are_uploaded(self, render: Render) -> bool:
        """Whether a call is spent on bringing them."""
        return self.way == "upload" and bool(render.inputs)

    async def refer(self, render: Render, key: Key) -> tuple[References | NotUsable, Uploaded | NotDone | None]:
        """References for the vendor, and what came of uploading if that was needed."""
        try:
            prepared = await self._prepared(render)
            if not self.are_uploaded(render):
                return {role: Reference("url", self._url(asset)) for role, asset in prepared.items()}, None
            files = [await self._file(role, asset) for role, asset in prepared.items()]
        except _SETBACKS as error:
            return _not_usable(render, error), None
        uploaded = await self.vendor.upload(key, files)
        if not isinstance(uploaded, Uploaded):
            return NotUsable(_refusal(uploaded)), uploaded
        ids = zip(prepared, uploaded.file_ids, strict=True)
        return {role: Reference("id", file_id) for role, file_id in ids}, uploaded

    async def _prepared(self, render: Render) -> Mapping[Role, Asset]:
        assets = {role: render.inputs[role] for role in render.feature.inputs if role in render.inputs}
        for role, how in preparations(render.feature, render.inputs).items():
            # A mask comes after its picture in a feature's table: it has to fit what that has become.
            assets[role] = await self._prepare(render, role, how, assets)
        return assets

    async def _prepare(self, render: Render, role: Role, how: Preparation, assets: Mapping[Role, Asset]) -> Asset:
        """Made once more if it is asked for again: the same object."""
        data = await self.objects.get(render.inputs[role].key, MAX_INPUT_BYTES)
        if how.like:
            picture = await self.pictures.mask(data, assets[how.like].width, assets[how.like].height)
        else:
            picture = await self.pictures.jpeg(data, max_side=how.max_long)
        key = prepared_key(render.tenant_id, render.job_id, render.item, role.value, picture.ext)
        await self.objects.put(key, picture.data, picture.content_type)
        return _asset(key, picture)

    async def _file(self, role: Role, asset: Asset) -> File:
        data = await self.objects.get(asset.key, MAX_INPUT_BYTES)
        return File(f"{role.value}.{asset.key.rpartition('.')[2]}", asset.content_type, data)

    def _url(self, asset: Asset) -> str:
        return self.signer.get_url(asset.key, URL_LIVES_S)


def _not_usable(render: Render, error: Exception) -> NotUsable:
    match error:
        case InputTooSmall():
            return NotUsable(errors.TOO_SMALL)
        case InputTooNarrow():
            return NotUsable(errors.RATIO)
        case NotFound():
            failure: Failure | None = errors.INPUT_GONE
        case PictureRejected():
            failure = errors.UNREADABLE
        case _:
            failure = None
    log.error("input_not_usable", render_id=render.render_id, error=type(error).__name__, waits=failure is None)
    return NotUsable(failure)


def _refusal(answer: NotDone) -> Failure | None:
    """A definite answer is not asked for again, unless it is about our key."""
    if isinstance(answer, Refused) and not is_about_the_key(answer.status, answer.code):
        return errors.request_failure(answer.status, answer.code)
    return None


def _asset(key: str, picture: Picture) -> Asset:
    return Asset(
        key=key,
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
        size_bytes=len(picture.data),
        sha256=picture.sha256,
    )
