"""What an operator may set."""

from datetime import timedelta

from closet_chassis.settings import ServiceSettings
from closet_contracts.credit import Plan
from pydantic import Field


class Settings(ServiceSettings):
    """How long holds and quotes last, what is sold by subscription, and Stripe's, beside what every service has."""

    hold_ttl_s: int = Field(default=3600, ge=1)
    quote_ttl_s: int = Field(default=900, ge=1)
    dunning_grace_days: int = Field(default=7, ge=0)
    plans: dict[str, Plan] = Field(default_factory=dict)
    topup_return_url: str = "https://localhost/billing"
    stripe_key: str = Field(default="", repr=False, validation_alias="STRIPE_SECRET_KEY")
    stripe_webhook_secret: str = Field(default="", repr=False, validation_alias="STRIPE_WEBHOOK_SECRET")
    stripe_base: str = Field(default="https://api.stripe.com", validation_alias="STRIPE_API_BASE")
    stripe_meter_id: str = Field(default="", validation_alias="STRIPE_METER_ID")
    stripe_meter_event: str = Field(default="closet_credits", validation_alias="STRIPE_METER_EVENT_NAME")

    @property
    def dunning_grace(self) -> timedelta:
        """Return how long work goes on after a payment failed."""
        return timedelta(days=self.dunning_grace_days)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Return all that are valid now; during a rotation there are two."""
        return tuple(secret.strip() for secret in self.stripe_webhook_secret.split(",") if secret.strip())

    @property
    def hold_ttl(self) -> timedelta:
        """Return how long a hold outlives its job's deadline."""
        return timedelta(seconds=self.hold_ttl_s)

    @property
    def quote_ttl(self) -> timedelta:
        """Return how long a quote is valid."""
        return timedelta(seconds=self.quote_ttl_s)
