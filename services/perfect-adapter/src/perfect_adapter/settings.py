"""What an operator may set."""

from hashlib import sha256

from closet_storage.access import StorageSettings
from pydantic import Field
from yarl import URL


class Settings(StorageSettings):
    """The vendor's PERFECT_* settings and the S3_* ones, beside what every service has."""

    base: str = Field(default="https://yce-api-01.makeupar.com", validation_alias="PERFECT_BASE")
    api_key: str = Field(repr=False, validation_alias="PERFECT_API_KEY")
    webhook_secret: str = Field(default="", repr=False, validation_alias="PERFECT_WEBHOOK_SECRET")
    quota_calls: int = Field(default=250, ge=0, validation_alias="PERFECT_QUOTA_CALLS")
    quota_window_s: float = Field(default=300.0, gt=0, validation_alias="PERFECT_QUOTA_WINDOW_S")
    pace_per_s: int = Field(default=5, ge=0, validation_alias="PERFECT_PACE_PER_S")
    timeout_s: float = Field(default=90.0, gt=0, validation_alias="PERFECT_TIMEOUT_S")
    look_after_s: float = Field(default=30.0, gt=0, validation_alias="PERFECT_LOOK_AFTER_S")
    max_in_flight: int = Field(default=32, ge=1, validation_alias="PERFECT_MAX_IN_FLIGHT")
    result_hosts: str = Field(default="", validation_alias="PERFECT_RESULT_HOSTS")
    picture_workers: int = Field(default=1, ge=1)

    @property
    def lane(self) -> str:
        """The name of the API key's lane: says which key without saying the key."""
        return f"key-{sha256(self.api_key.encode()).hexdigest()[:12]}"

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """All that are good now; during a rotation there are two."""
        return tuple(secret.strip() for secret in self.webhook_secret.split(",") if secret.strip())

    @property
    def allowed_result_hosts(self) -> frozenset[str]:
        """`host[:port]`, or `.domain` for everything below it; without any the vendor's own."""
        listed = frozenset(host.strip().lower() for host in self.result_hosts.split(",") if host.strip())
        return listed or frozenset({URL(self.base).authority.lower()})
