"""Preparation of inputs: the checked pictures, fitted to the feature, by our signed URL or uploaded to the vendor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import structlog
from closet_contracts.upload import UPLOAD_RULES, Asset
from closet_contracts.work import Role
from closet_storage.assets import asset_of
from closet_storage.keys import prepared_key
from closet_storage.objects import NotFound, ObjectStore, StorageUnavailable
from closet_storage.picture import PictureRejected
from closet_storage.pool import PicturePool, PoolUnavailable
from closet_storage.signing import Signer

from perfect_adapter.renders.render import Render
from perfect_adapter.vendor import errors
from perfect_adapter.vendor.answers import InputFile, NotDone, Refused, Uploaded
from perfect_adapter.vendor.bodies import Reference, References
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.errors import FailureReason
from perfect_adapter.vendor.features import InputTooNarrow, InputTooSmall, Preparation, preparations
from perfect_adapter.vendor.keys import ApiKey, is_about_the_key

log = structlog.get_logger(__name__)

URL_LIVES_S = 3600


_SETBACKS = (InputTooSmall, InputTooNarrow, PictureRejected, NotFound, StorageUnavailable, PoolUnavailable)


@dataclass(frozen=True, slots=True)
class UnusableInputs:
    """Nothing was ordered because of the pictures; without a reason, because a storage or decoder is unavailable."""

    reason: FailureReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPreparer:
    """Prepares a render's inputs, and returns references to them.

    Args:
        mode: by our signed `url`, or as files that are `upload`ed, where the vendor cannot reach our storage.
        signer: for the endpoint that the vendor reaches.
    """

    mode: Literal["url", "upload"]
    signer: Signer
    objects: ObjectStore
    pictures: PicturePool
    vendor: VendorClient

    def needs_upload(self, render: Render) -> bool:
        """Return whether a call is spent on uploading them."""
        return self.mode == "upload" and bool(render.inputs)

    async def prepare(
        self, render: Render, key: ApiKey
    ) -> tuple[References | UnusableInputs, Uploaded | NotDone | None]:
        """Return references for the vendor, and the answer to the upload if one was needed."""
        try:
            prepared = await self._fit_all(render)
            if not self.needs_upload(render):
                return {role: Reference("url", self._url(asset)) for role, asset in prepared.items()}, None
            files = [await self._file(role, asset) for role, asset in prepared.items()]
        except _SETBACKS as error:
            return _unusable(render, error), None
        uploaded = await self.vendor.upload(key, files)
        if not isinstance(uploaded, Uploaded):
            return UnusableInputs(_refusal(uploaded)), uploaded
        ids = zip(prepared, uploaded.file_ids, strict=True)
        return {role: Reference("id", file_id) for role, file_id in ids}, uploaded

    async def _fit_all(self, render: Render) -> Mapping[Role, Asset]:
        assets = {role: render.inputs[role] for role in render.feature.inputs if role in render.inputs}
        for role, how in preparations(render.feature, render.inputs).items():
            # A mask comes after its picture in a feature's table: it must fit the prepared picture.
            assets[role] = await self._fit(render, role, how, assets)
        return assets

    async def _fit(self, render: Render, role: Role, how: Preparation, assets: Mapping[Role, Asset]) -> Asset:
        """Fit one input. Doing it again gives the same object."""
        data = await self.objects.get(render.inputs[role].key, UPLOAD_RULES.max_bytes)
        if how.like:
            picture = await self.pictures.mask(data, assets[how.like].width, assets[how.like].height)
        else:
            picture = await self.pictures.jpeg(data, max_side=how.max_long)
        key = prepared_key(render.tenant_id, render.job_id, render.item, role.value, picture.ext)
        await self.objects.put(key, picture.data, picture.content_type)
        return asset_of(key, picture)

    async def _file(self, role: Role, asset: Asset) -> InputFile:
        data = await self.objects.get(asset.key, UPLOAD_RULES.max_bytes)
        return InputFile(f"{role.value}.{asset.key.rpartition('.')[2]}", asset.content_type, data)

    def _url(self, asset: Asset) -> str:
        return self.signer.get_url(asset.key, URL_LIVES_S)


def _unusable(render: Render, error: Exception) -> UnusableInputs:
    match error:
        case InputTooSmall():
            return UnusableInputs(errors.TOO_SMALL)
        case InputTooNarrow():
            return UnusableInputs(errors.RATIO)
        case NotFound():
            reason: FailureReason | None = errors.INPUT_GONE
        case PictureRejected():
            reason = errors.UNREADABLE
        case _:
            reason = None
    log.error("input_not_usable", render_id=render.render_id, error=type(error).__name__, waits=reason is None)
    return UnusableInputs(reason)


def _refusal(answer: NotDone) -> FailureReason | None:
    """Return why a definite refusal ends the render; None if it is about our key, or not definite."""
    if isinstance(answer, Refused) and not is_about_the_key(answer.status, answer.code):
        return errors.request_failure(answer.status, answer.code)
    return None
