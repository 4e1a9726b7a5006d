"""The address and the credentials of a bucket."""

from dataclasses import dataclass, field

from closet_chassis.settings import ServiceSettings
from pydantic import Field


@dataclass(frozen=True)
class Access:
    """A bucket and the credentials to use it. `endpoint` is `http(s)://host[:port]`."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    path_style: bool = True


class StorageSettings(ServiceSettings):
    """The settings of a service that holds credentials for storage: the S3_* settings and those of every service."""

    s3_endpoint: str = Field(validation_alias="S3_ENDPOINT")
    s3_public_endpoint: str = Field(default="", validation_alias="S3_PUBLIC_ENDPOINT")
    s3_region: str = Field(default="us-east-1", validation_alias="S3_REGION")
    s3_bucket: str = Field(default="closet-media", validation_alias="S3_BUCKET")
    s3_access_key_id: str = Field(validation_alias="S3_ACCESS_KEY_ID")
    s3_secret_access_key: str = Field(repr=False, validation_alias="S3_SECRET_ACCESS_KEY")
    s3_path_style: bool = Field(default=True, validation_alias="S3_PATH_STYLE")
    s3_sse: str = Field(default="AES256", pattern="^(AES256)?$", validation_alias="S3_SSE")

    def s3_access(self, *, public: bool = False) -> Access:
        """Return the access for the service itself, or (`public`) for signing URLs that clients use."""
        endpoint = self.s3_public_endpoint or self.s3_endpoint if public else self.s3_endpoint
        return Access(
            endpoint,
            self.s3_region,
            self.s3_bucket,
            self.s3_access_key_id,
            self.s3_secret_access_key,
            self.s3_path_style,
        )
