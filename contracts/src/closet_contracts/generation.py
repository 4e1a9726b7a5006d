"""What a client asked for. Owned by kiosk-gateway."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from closet_contracts.credit import Chargeable, Price
from closet_contracts.envelope import EventData
from closet_contracts.ids import JobId, UploadId, UserId
from closet_contracts.model import Model


class Priority(StrEnum):
    """Who waits for the picture, the most urgent first."""

    KIOSK_LIVE = "kiosk_live"
    INTERACTIVE = "interactive"
    BATCH = "batch"


class Category(StrEnum):
    """Where on the body the garment is worn."""

    TOP = "top"
    BOTTOM = "bottom"
    DRESS = "dress"
    OUTERWEAR = "outerwear"
    SHOES = "shoes"
    AUTO = "auto"


class Size(Model):
    """A picture's size in pixels."""

    width: Annotated[int, Field(ge=64, le=4096)]
    height: Annotated[int, Field(ge=64, le=4096)]


class TryOn(Model):
    """A person wearing a garment. Without `size` the picture keeps the size the vendor made it in."""

    kind: Literal["tryon"] = "tryon"
    category: Category = Category.TOP
    fit_mode: Literal["standard"] = "standard"
    size: Size | None = None

    def chargeable(self) -> Chargeable:
        """What the price depends on."""
        return Chargeable(kind=self.kind, pixels=self.size.width * self.size.height if self.size else 0)


Work = TryOn  # becomes a union discriminated by `kind` when further kinds of work are made


class Role(StrEnum):
    """The part an input plays in the work."""

    PERSON = "person"
    GARMENT = "garment"


class Input(Model):
    """One picture that the work needs, by the upload that brought it."""

    role: Role
    upload_id: UploadId


class GenerationRequested(EventData):
    """A client with a right to it, and with consent, asked for a picture."""

    TYPE: ClassVar[str] = "closet.generation.requested.v1"
    job_id: JobId
    user_id: UserId
    work: Work
    inputs: tuple[Input, ...]
    price: Price
    priority: Priority = Priority.INTERACTIVE
    consent_given_at: datetime
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
