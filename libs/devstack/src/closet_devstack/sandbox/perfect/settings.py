"""What can be set at the start, and changed while it runs."""

from typing import Annotated, Literal

from pydantic import Field

from closet_devstack.sandbox.perfect.latency import Distribution
from closet_devstack.sandbox.perfect.model import Document, Natural, Seconds

ClassicShape = Literal["image_base64", "image_url", "images"]


class Settings(Document):
    """The account at the vendor, and the vendor's temper."""

    api_keys: list[str] = Field(default_factory=list, repr=False)
    inactive_keys: list[str] = Field(default_factory=list, repr=False)
    """Keys that once worked: 401 `InactiveApiKey`."""
    expired_keys: list[str] = Field(default_factory=list, repr=False)
    """Keys whose time is over: 401 `ExpiredApiKey`."""
    clients: dict[str, str] = Field(default_factory=dict, repr=False)
    """Ids of clients of the first API, each with the API key that its tokens stand for."""
    units: dict[str, int] = Field(default_factory=dict, repr=False)
    """The balance of a key, where it differs from the usual one; naming a key sets its balance."""
    webhook_urls: Annotated[list[str], Field(max_length=10)] = Field(default_factory=list)
    webhook_secret: str = Field(default="", repr=False)
    """`whsec_` and base64."""
    latency_ms: Natural = 1500
    """From a task's creation to its end; at least what making the picture takes."""
    latency_distribution: Distribution | None = None
    """Added to `latency_ms`, drawn for each task."""
    answer_ms: Natural = 0
    """Added to every answer of the API."""
    fixed_result: bool = False
    """Inputs are not fetched, every task gives the same small picture: for measuring what is ours."""
    result_metadata: bool = False
    """Results carry EXIF, as some vendors' do."""
    result_shape: Literal["url", "list"] = "url"
    """How a picture is told: `{"url": ...}`, or `[{"url": ...}]`."""
    quota_calls: Natural = 250
    """Calls of a key in a window; 0 = no quota."""
    quota_address_calls: Natural | None = None
    """Calls from an address in a window; 0 = no quota, None = as `quota_calls`."""
    quota_window_s: Annotated[float, Field(gt=0)] = 300
    calls_per_second: Natural = 5
    """Calls of a key, and of an address, in any second; 0 = no such limit."""
    reserve_units: bool = False
    """A running task's units are set aside, so that no balance goes below zero."""
    unknown_task: Literal["plain", "coded", "not_found"] = "plain"
    """How a look at an unknown task is answered: 400 without a code, as published; with `InvalidTaskId`; or 404."""
    result_ttl_s: Natural = 7200
    look_window_s: Seconds = 0
    """Tasks that nobody looks at for so long after their creation expire, and stay charged; 0 = they do not."""
    polling_interval_s: Natural = 0
    """Told to those who look at a running task; 0 = not told."""
    numeric_ids: bool = False
    """Ids of new tasks are integers beyond 2^53, and JSON numbers wherever they are told."""
    classic_answer: ClassicShape | None = None
    """How the classic profile gives its pictures; None = in turn."""
    speed: Annotated[float, Field(gt=0, le=10_000)] = 1
    """Seconds of the vendor's clock to one of ours."""
    seed: int = 0
    """Decides what chance decides: latencies, and faults with a probability."""
