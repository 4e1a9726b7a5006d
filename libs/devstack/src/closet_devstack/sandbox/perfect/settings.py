"""What can be set at the start, and changed while it runs."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Natural = Annotated[int, Field(ge=0)]


class Settings(BaseModel):
    """The account at the vendor, and the vendor's temper."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", serialize_by_alias=True)

    api_keys: list[str] = Field(default_factory=list, repr=False)
    inactive_keys: list[str] = Field(default_factory=list, repr=False)
    """Keys that once worked: 401 `InactiveApiKey`."""
    webhook_urls: Annotated[list[str], Field(max_length=10)] = Field(default_factory=list)
    webhook_secret: str = Field(default="", repr=False)
    """`whsec_` and base64."""
    latency_ms: Natural = 1500
    """From a task's creation to its end; at least what making the picture takes."""
    answer_ms: Natural = 0
    """Added to every answer of the API."""
    fixed_result: bool = False
    """Inputs are not fetched, every task gives the same small picture: for measuring what is ours."""
    result_metadata: bool = False
    """Results carry EXIF, as some vendors' do."""
    quota_calls: Natural = 250
    """Calls in a window, for each key and for each address; 0 = no quota."""
    quota_window_s: Annotated[float, Field(gt=0)] = 300
    result_ttl_s: Natural = 7200
    polling_interval_s: Natural = 0
    """Told to those who look at a running task; 0 = not told."""
