"""Settings of the service."""

from pathlib import Path
from typing import Literal, Self

from closet_storage.access import StorageSettings
from pydantic import Field, model_validator
from yarl import URL

# Where the vendor keeps results and takes uploads, beside its own hosts.
_VENDOR_HOSTS = frozenset({".makeupar.com", ".perfectcorp.com", "yce-us.s3-accelerate.amazonaws.com"})


class Settings(StorageSettings):
    """The vendor's PERFECT_* settings and the S3_* ones, beside those of every service."""

    base: str = Field(default="https://yce-api-01.makeupar.com", validation_alias="PERFECT_BASE")
    classic_base: str = Field(default="https://yce.perfectcorp.com", validation_alias="PERFECT_CLASSIC_BASE")
    api_key: str = Field(default="", repr=False, validation_alias="PERFECT_API_KEY")
    api_keys_file: Path | None = Field(default=None, validation_alias="PERFECT_API_KEYS_FILE")
    egress: str = Field(default="default", min_length=1, validation_alias="PERFECT_EGRESS")
    webhook_secret: str = Field(default="", repr=False, validation_alias="PERFECT_WEBHOOK_SECRET")

    quota_calls: int = Field(default=250, ge=0, validation_alias="PERFECT_QUOTA_CALLS")
    quota_window_s: float = Field(default=300.0, gt=0, validation_alias="PERFECT_QUOTA_WINDOW_S")
    pace_per_s: int = Field(default=5, ge=0, validation_alias="PERFECT_PACE_PER_S")
    orders_at_once: int = Field(default=1, ge=1, validation_alias="PERFECT_ORDERS_AT_ONCE")
    timeout_s: float = Field(default=90.0, gt=0, validation_alias="PERFECT_TIMEOUT_S")
    poll_after_s: float = Field(default=30.0, gt=0, validation_alias="PERFECT_POLL_AFTER_S")
    max_in_flight: int = Field(default=32, ge=1, validation_alias="PERFECT_MAX_IN_FLIGHT")
    lease_s: float = Field(default=10.0, gt=0, validation_alias="PERFECT_LEASE_S")
    balance_every_s: float = Field(default=600.0, gt=0, validation_alias="PERFECT_BALANCE_EVERY_S")

    tenant_weights: str = Field(default="", validation_alias="PERFECT_TENANT_WEIGHTS")
    tenant_in_flight: int = Field(default=0, ge=0, validation_alias="PERFECT_TENANT_IN_FLIGHT")
    aged_s: float = Field(default=300.0, gt=0, validation_alias="PERFECT_AGED_S")

    ambiguous_wait_s: float = Field(default=120.0, gt=0, validation_alias="PERFECT_AMBIGUOUS_WAIT_S")
    ambiguous_policy: Literal["give_up", "repeat"] = Field(
        default="give_up", validation_alias="PERFECT_AMBIGUOUS_POLICY"
    )
    task_longest_s: float = Field(default=3600.0, gt=0, validation_alias="PERFECT_TASK_LONGEST_S")
    ambiguous_repeats: int = Field(default=10, ge=0, validation_alias="PERFECT_AMBIGUOUS_REPEATS")

    tryon_version: Literal["v4", "v3"] = Field(default="v4", validation_alias="PERFECT_TRYON_VERSION")
    skin_format: Literal["json", "zip"] = Field(default="json", validation_alias="PERFECT_SKIN_FORMAT")
    v2_share: float = Field(default=1.0, ge=0, le=1, validation_alias="PERFECT_V2_API")
    inputs: Literal["url", "upload"] = Field(default="url", validation_alias="PERFECT_INPUTS")
    delete_copies: str = Field(default="", validation_alias="PERFECT_DELETE_COPIES")
    result_hosts: str = Field(default="", validation_alias="PERFECT_RESULT_HOSTS")
    picture_workers: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if not self.api_keys and self.api_keys_file is None:
            raise ValueError("PERFECT_API_KEY or PERFECT_API_KEYS_FILE is needed")
        return self

    @property
    def api_keys(self) -> tuple[str, ...]:
        """Return the keys in the environment."""
        return _split(self.api_key)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Return all that are valid now; during a rotation there are two."""
        return _split(self.webhook_secret)

    @property
    def allowed_result_hosts(self) -> frozenset[str]:
        """Return the hosts of results: `host[:port]`, or `.domain` for those below it; by default the vendor's own."""
        listed = frozenset(host.lower() for host in _split(self.result_hosts))
        return listed or _VENDOR_HOSTS | {URL(self.base).authority.lower()}

    @property
    def weights(self) -> dict[str, int]:
        """Return the weights of tenants that are not 1, from `acme=3,zeta=2`."""
        pairs = (entry.partition("=") for entry in _split(self.tenant_weights))
        return {tenant.strip(): max(1, int(weight)) for tenant, _, weight in pairs}

    @property
    def calls_per_task(self) -> int:
        """Return the calls of a task: to create and to poll it, one more each to upload inputs and to delete copies."""
        return 2 + (self.inputs == "upload") + bool(self.delete_copies)

    def deletes_copies_of(self, tenant_id: str) -> bool:
        """Return whether the vendor's copies of this tenant's pictures are deleted."""
        listed = _split(self.delete_copies)
        return "*" in listed or tenant_id in listed


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
