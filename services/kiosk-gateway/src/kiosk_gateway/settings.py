"""Settings of kiosk-gateway."""

from pathlib import Path

from closet_chassis.settings import ServiceSettings
from pydantic import Field


class Settings(ServiceSettings):
    """Read from the environment as `CLOSET_<FIELD>`."""

    token_key_file: Path  # Ed25519 private keys; the first signs, all verify
    token_issuer: str = "closet"  # noqa: S105  a name
    public_url: str = ""  # put before the paths in answers; empty: paths alone
    consent_version: str = "v2.0"
    job_deadline_s: int = Field(default=900, gt=0)
    job_overdue_s: int = Field(default=60, ge=0)  # so long after its deadline a job that nobody has ended is ended here
    longest_wait_s: int = Field(default=600, gt=0)  # for a job's turn at the vendor; below the deadline
