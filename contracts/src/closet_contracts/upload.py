"""Pictures that clients bring. Owned by upload-signer."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from closet_contracts.envelope import EventData
from closet_contracts.ids import JobId, UploadId, UserId
from closet_contracts.model import Model
from closet_contracts.text import Storable


@dataclass(frozen=True, slots=True)
class UploadRules:
    """What a client may upload.

    Args:
        content_types: by their registered names.
        max_bytes: of one picture.
    """

    content_types: frozenset[str]
    max_bytes: int

    @property
    def max_megabytes(self) -> int:
        """Return the limit as sentences for persons name it."""
        return self.max_bytes // 2**20


UPLOAD_RULES = UploadRules(frozenset({"image/jpeg", "image/png", "image/webp"}), 10 * 2**20)


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
