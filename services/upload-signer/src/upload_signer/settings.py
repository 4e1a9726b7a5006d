"""What an operator may set."""

from closet_storage.access import StorageSettings
from closet_storage.signing import UPLOAD_TAG
from pydantic import Field


class Settings(StorageSettings):
    """The S3_* settings and these, beside what every service has."""

    # What the bucket's own rule removes after a day; empty where storage knows no tags.
    s3_upload_tag: str = Field(default=UPLOAD_TAG, pattern=f"^({UPLOAD_TAG})?$", validation_alias="S3_UPLOAD_TAG")
    check_width: int = Field(default=8, ge=1)  # uploads in hand at once
    picture_workers: int = Field(default=1, ge=1)  # processes that decode pictures
