"""What an operator may set."""

from closet_storage.access import StorageSettings
from pydantic import Field


class Settings(StorageSettings):
    """The S3_* settings and these, beside what every service has."""

    check_width: int = Field(default=8, ge=1)  # uploads in hand at once
    picture_workers: int = Field(default=1, ge=1)  # processes that decode pictures
