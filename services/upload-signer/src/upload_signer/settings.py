"""The settings of the service."""

from closet_storage.access import StorageSettings
from closet_storage.signing import UPLOAD_TAG
from pydantic import Field


class Settings(StorageSettings):
    """The settings of uploads, the S3_* settings and those of every service."""

    # The tag of uploads that the bucket's own rule removes after a day; empty if the storage has no tags.
    s3_upload_tag: str = Field(default=UPLOAD_TAG, pattern=f"^({UPLOAD_TAG})?$", validation_alias="S3_UPLOAD_TAG")
    check_width: int = Field(default=8, ge=1)  # the most uploads checked at once
    picture_workers: int = Field(default=1, ge=1)  # processes that decode pictures
