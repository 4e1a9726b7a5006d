"""The job and its ends. Owned by job-orchestrator."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from closet_contracts.credit import Price
from closet_contracts.envelope import EventData
from closet_contracts.generation import Input, Item, Priority
from closet_contracts.ids import JobId, UserId
from closet_contracts.model import Model
from closet_contracts.render import ResultFile
from closet_contracts.text import Line, Storable
from closet_contracts.upload import Asset
from closet_contracts.work import Role, Task, Work


class _OfJob(EventData):
    job_id: JobId
    user_id: UserId
    # Grows with every change of the job: a reader that saw a higher one ignores this event.
    version: Annotated[int, Field(ge=1)]

    def aggregate(self) -> str:
        return f"jobs/{self.job_id}"


class JobAccepted(_OfJob):
    """The job exists: its inputs are to be checked, its price is to be held."""

    TYPE: ClassVar[str] = "closet.job.accepted.v1"
    work: Work
    inputs: tuple[Input, ...]
    price: Price
    quote_id: Line | None = None
    deadline: datetime


class InputAsset(Model):
    """A checked input in its part."""

    role: Role
    asset: Asset


class JobDispatched(_OfJob):
    """Inputs ready, credits held, consent still given: the picture may be made. One per task and attempt."""

    TYPE: ClassVar[str] = "closet.job.dispatched.v1"
    item: Item = 0
    attempt: Annotated[int, Field(ge=1)]
    work: Task
    inputs: tuple[InputAsset, ...]
    priority: Priority
    deadline: datetime


class JobStopRequested(_OfJob):
    """The job is going to be cancelled: nothing more of it may be begun, and each task that was not is to be told of.

    `code` is what it will end with. What the vendor has begun is told as ever, and paid.
    """

    TYPE: ClassVar[str] = "closet.job.stop_requested.v1"
    code: Storable


class ItemFailure(Model):
    """A task of a job that completed without it; nothing is charged for it. `role`: the input that it failed for."""

    item: Item
    code: Storable
    message: Storable
    tip: Storable | None = None
    role: Role | None = None


class JobCompleted(_OfJob):
    """Terminal: the results are in storage. Of several tasks at least one succeeded; `failures` are the rest."""

    TYPE: ClassVar[str] = "closet.job.completed.v1"
    kind: Storable
    results: tuple[ResultFile, ...]
    failures: tuple[ItemFailure, ...] = ()
    attempts: Annotated[int, Field(ge=1)]
    credits: Annotated[int, Field(ge=0)]
    vendor_ms: Annotated[int, Field(ge=0)]


class _Unfinished(_OfJob):
    code: Storable
    message: Storable
    # What the person can do better, where it is the photo's fault.
    tip: Storable | None = None
    attempts: Annotated[int, Field(ge=0)]


class JobFailed(_Unfinished):
    """Terminal: no picture, and nothing is charged. `code` is stable, `message` is a sentence for a person.

    `item` is the first that failed, where the job has several, and `role` the input that it failed for.
    """

    TYPE: ClassVar[str] = "closet.job.failed.v1"
    item: Item | None = None
    role: Role | None = None


class JobCancelled(_Unfinished):
    """Terminal: its owner cancelled it or withdrew consent. What the vendor had begun by then is charged.

    `results` are those of the tasks that had succeeded; `credits` is the share of the price of these and of those that
    had reached the vendor.
    """

    TYPE: ClassVar[str] = "closet.job.cancelled.v1"
    credits: Annotated[int, Field(ge=0)] = 0
    results: tuple[ResultFile, ...] = ()


class JobExpired(_Unfinished):
    """Terminal: its deadline passed."""

    TYPE: ClassVar[str] = "closet.job.expired.v1"
