"""The settings of the service."""

from closet_chassis.settings import ServiceSettings
from pydantic import Field


class Settings(ServiceSettings):
    """CLOSET_MAX_JOB_RETRIES, and the settings of every service."""

    max_job_retries: int = Field(default=3, ge=1, le=10)  # attempts per item, the first included
