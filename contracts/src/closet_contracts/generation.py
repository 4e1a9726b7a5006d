"""What a client asked for. Owned by kiosk-gateway."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from closet_contracts.credit import Price
from closet_contracts.envelope import EventData
from closet_contracts.ids import JobId, UploadId, UserId
from closet_contracts.model import Model
from closet_contracts.text import Line
from closet_contracts.work import MAX_ITEMS, Role, Work

Item = Annotated[int, Field(ge=0, lt=MAX_ITEMS)]
"""Which of a job's tasks, counted from 0."""


class Priority(StrEnum):
    """Who waits for the picture, the most urgent first."""

    KIOSK_LIVE = "kiosk_live"
    INTERACTIVE = "interactive"
    BATCH = "batch"


class Input(Model):
    """One picture that a task of the work needs, by the upload that brought it."""

    role: Role
    upload_id: UploadId
    item: Item = 0


class GenerationRequested(EventData):
    """A client with a right to it, and with consent, asked for a picture."""

    TYPE: ClassVar[str] = "closet.generation.requested.v1"
    job_id: JobId
    user_id: UserId
    work: Work
    inputs: tuple[Input, ...]
    price: Price
    # The quote that the client agreed to; then the price is the quote's, whatever the book says meanwhile.
    quote_id: Line | None = None
    priority: Priority = Priority.INTERACTIVE
    # Null where no person's photo goes in: then none was needed.
    consent_given_at: datetime | None
    deadline: datetime

    def aggregate(self) -> str:
        return f"jobs/{self.job_id}"


class GenerationCancelRequested(EventData):
    """The job's owner no longer wants it."""

    TYPE: ClassVar[str] = "closet.generation.cancel_requested.v1"
    job_id: JobId
    user_id: UserId

    def aggregate(self) -> str:
        return f"jobs/{self.job_id}"
