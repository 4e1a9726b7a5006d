"""Settings of kiosk-gateway."""

from pathlib import Path

from closet_chassis.settings import ServiceSettings
from pydantic import Field


class Settings(ServiceSettings):
    """Read from the environment as `CLOSET_<FIELD>`."""

    token_key_file: Path  # Ed25519 private keys; the first signs, all verify
    token_issuer: str = "closet"  # noqa: S105  a name
    public_url: str = ""  # prefix of the URLs in answers; empty: paths only
    consent_version: str = "v2.0"
    job_deadline_s: int = Field(default=900, gt=0)
    job_overdue_s: int = Field(default=60, ge=0)  # a job without an end is expired this long after its deadline
    longest_wait_s: int = Field(
        default=600, gt=0
    )  # a job that would wait longer for the vendor is refused; at most the deadline
