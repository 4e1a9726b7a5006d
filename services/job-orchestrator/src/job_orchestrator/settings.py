"""What an operator may set."""

from closet_chassis.settings import ServiceSettings
from pydantic import Field


class Settings(ServiceSettings):
    """CLOSET_MAX_JOB_RETRIES beside what every service has."""

    max_job_retries: int = Field(default=3, ge=1, le=10)
