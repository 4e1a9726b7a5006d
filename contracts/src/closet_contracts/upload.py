"""Pictures that clients bring. Owned by upload-signer."""

from typing import Annotated, ClassVar

from pydantic import Field

from closet_contracts.envelope import EventData
from closet_contracts.ids import JobId, UploadId, UserId
from closet_contracts.model import Model
from closet_contracts.text import Storable


class Asset(Model):
    """A picture in storage that was decoded whole, is upright and holds no metadata."""

    key: Storable
    content_type: Storable
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    size_bytes: Annotated[int, Field(gt=0)]
    sha256: Storable


class _OfUpload(EventData):
    upload_id: UploadId
    job_id: JobId
    user_id: UserId

    def aggregate(self) -> str:
        return f"uploads/{self.upload_id}"

    def correlation(self) -> str:
        return self.job_id


class UploadReady(_OfUpload):
    """The input can be used by the job that asked for it."""

    TYPE: ClassVar[str] = "closet.upload.ready.v1"
    asset: Asset


class UploadRejected(_OfUpload):
    """The input cannot be used; `code` is stable, `message` is a sentence for a person."""

    TYPE: ClassVar[str] = "closet.upload.rejected.v1"
    code: Storable
    message: Storable
