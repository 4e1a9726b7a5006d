"""What an operator may set."""

from datetime import timedelta

from closet_chassis.settings import ServiceSettings
from pydantic import Field


class Settings(ServiceSettings):
    """CLOSET_HOLD_TTL_S and CLOSET_QUOTE_TTL_S, beside what every service has."""

    hold_ttl_s: int = Field(default=3600, ge=1)
    quote_ttl_s: int = Field(default=900, ge=1)

    @property
    def hold_ttl(self) -> timedelta:
        """How long a hold outlives its job's deadline."""
        return timedelta(seconds=self.hold_ttl_s)

    @property
    def quote_ttl(self) -> timedelta:
        """How long a quote holds."""
        return timedelta(seconds=self.quote_ttl_s)
