"""What can be set at the start, and changed while it runs."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Natural = Annotated[int, Field(ge=0)]


class Settings(BaseModel):
    """The account at Stripe, and its temper."""

    model_config = ConfigDict(extra="forbid")

    api_key: str = Field(default="", repr=False)
    webhook_secret: str = Field(default="", repr=False)
    webhook_url: str = ""
    meter_id: str = "mtr_closet"
    meter_event_name: str = "closet_credits"
    prices: list[str] = Field(default_factory=lambda: ["price_growth"])
    """What can be subscribed to."""
    largest_page: Annotated[int, Field(ge=1, le=100)] = 100
    """Of a list; what is asked for beyond it comes in more pages."""
    answer_ms: Natural = 0
    repeat_webhooks: Natural = 0
    """Each is sent so many times more."""
    reverse_webhooks: bool = False
    """They wait until `/_sandbox/webhooks` asks for them, and come the last one first."""


class Fault(BaseModel):
    """What happens to the next calls of a path instead of what should."""

    model_config = ConfigDict(extra="forbid")

    path: str = "/"
    """The beginning of the path."""
    kind: Literal["rate_limited", "server_error", "no_answer", "lost_answer", "card_declined"]
    """`no_answer`: nothing is done; `lost_answer`: it is done; in both the connection breaks."""
    times: Annotated[int, Field(ge=1)] = 1
