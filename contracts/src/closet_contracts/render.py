"""One attempt at one task at the vendor, and what the vendor can do now. Owned by perfect-adapter."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from closet_contracts.envelope import EventData
from closet_contracts.generation import Item, Priority
from closet_contracts.ids import JobId
from closet_contracts.model import Model
from closet_contracts.text import Storable

Count = Annotated[int, Field(ge=0)]


class ResultFile(Model):
    """A file among the tenant's results: a picture, or a document such as an analysis. `label` says what it shows."""

    key: Storable
    content_type: Storable
    size_bytes: Annotated[int, Field(gt=0)]
    sha256: Storable
    width: Annotated[int, Field(gt=0)] | None = None
    height: Annotated[int, Field(gt=0)] | None = None
    item: Item = 0
    label: Storable | None = None


class _OfRender(EventData):
    job_id: JobId
    item: Item = 0
    attempt: Annotated[int, Field(ge=1)]

    def aggregate(self) -> str:
        return f"renders/{self.job_id}.{self.item}.{self.attempt}"

    def correlation(self) -> str:
        return self.job_id


class RenderStarted(_OfRender):
    """The vendor took the task. Its id is text: it may not fit a JSON number."""

    TYPE: ClassVar[str] = "closet.render.started.v1"
    vendor_task_id: Storable
    # The name of the API key that it belongs to: no other finds it at the vendor.
    vendor_key: Storable | None = None


class _Ended(_OfRender):
    # Calls charged to the vendor's quota, and time from the task's creation to the vendor's word of its end.
    vendor_calls: Count
    vendor_ms: Count


class RenderSucceeded(_Ended):
    """The results are copied into the tenant's storage."""

    TYPE: ClassVar[str] = "closet.render.succeeded.v1"
    results: Annotated[tuple[ResultFile, ...], Field(min_length=1)]


class RenderFailed(_Ended):
    """This attempt gave no picture; `retryable` says whether another may be made without paying twice."""

    TYPE: ClassVar[str] = "closet.render.failed.v1"
    code: Storable
    message: Storable
    tip: Storable | None = None
    retryable: bool
    vendor_code: Storable | None = None


class RenderCapacityChanged(EventData):
    """How much can be made now, from which follows what wait to expect. `per_minute` is null where nothing limits it.

    `waiting` counts the queued tasks by class, `running` those at the vendor; `typical_s` is how long one
    takes there, the median. Until `stopped_until` nothing that waits is ordered, as far as is known.
    """

    TYPE: ClassVar[str] = "closet.render.capacity_changed.v1"
    available: bool
    per_minute: Annotated[float, Field(ge=0)] | None
    waiting: dict[Priority, Count]
    running: Count
    typical_s: Annotated[float, Field(ge=0)] | None = None
    measured_at: datetime
    stopped_until: datetime | None = None

    def aggregate(self) -> str:
        return "vendors/perfect"
