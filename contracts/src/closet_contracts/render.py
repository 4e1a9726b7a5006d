"""One attempt at the vendor. Owned by perfect-adapter."""

from typing import Annotated, ClassVar

from pydantic import Field

from closet_contracts.envelope import EventData
from closet_contracts.ids import JobId
from closet_contracts.upload import Asset

Count = Annotated[int, Field(ge=0)]


class _OfRender(EventData):
    job_id: JobId
    attempt: Annotated[int, Field(ge=1)]

    def aggregate(self) -> str:
        return f"renders/{self.job_id}.{self.attempt}"

    def correlation(self) -> str:
        return self.job_id


class RenderStarted(_OfRender):
    """The vendor took the task. Its id is text: it may not fit a JSON number."""

    TYPE: ClassVar[str] = "closet.render.started.v1"
    vendor_task_id: str


class _Ended(_OfRender):
    # Calls charged to the vendor's quota, and time from the task's creation to the vendor's word of its end.
    vendor_calls: Count
    vendor_ms: Count


class RenderSucceeded(_Ended):
    """The pictures are copied into the tenant's results."""

    TYPE: ClassVar[str] = "closet.render.succeeded.v1"
    results: tuple[Asset, ...]


class RenderFailed(_Ended):
    """This attempt gave no picture; `retryable` says whether another may be made without paying twice."""

    TYPE: ClassVar[str] = "closet.render.failed.v1"
    code: str
    message: str
    retryable: bool
    vendor_code: str | None = None
