"""Answers of the vendor, classified by what is certain afterwards, and requests to it. Pure.

The names of the classes are the outcomes in the call log.
"""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime

from closet_contracts.work import Task

from perfect_adapter.vendor.bodies import References
from perfect_adapter.vendor.features import Feature
from perfect_adapter.vendor.leases import Lease


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The call provably did not reach the vendor."""

    reason: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """429: nothing was done; the quota is used up, even if our own count says otherwise."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The vendor understood the call and refused it (4xx): nothing was done."""

    status: int
    code: str | None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The call may have reached the vendor, and no usable answer came: a creation is ambiguous."""

    reason: str


NotDone = Unreachable | Throttled | Refused | NoAnswer


@dataclass(frozen=True, slots=True)
class NotMade:
    """The call was charged and then not made: it does not count. `reason` says why."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Created:
    """The task exists. Its id is text, even if the vendor wrote a number."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Running:
    """The task has not ended; `interval_s` is how long the vendor asks to wait, 0 if it does not say."""

    interval_s: float


@dataclass(frozen=True, slots=True)
class TimedOut:
    """This one task took too long, says the vendor (500 `TaskTimeout`, a published answer)."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The task ended in error; nothing is charged for it."""

    code: str


@dataclass(frozen=True, slots=True)
class Score:
    """An analysis' score of one concern, in one region of the face if it has regions."""

    concern: str
    raw: float | None
    ui: float | None
    _: KW_ONLY
    region: str | None = None
    mask_url: str | None = None
    word: str | None = None
    """The finding, where it is no number: a type of skin."""


@dataclass(frozen=True, slots=True)
class OverallScore:
    """An analysis' scores of the whole face."""

    score: float | None = None
    skin_age: float | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The task's results can be downloaded for a while. An analysis has `scores`, each with its mask's URL."""

    urls: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    overall: OverallScore = OverallScore()


@dataclass(frozen=True, slots=True)
class Finished:
    """The task was carried out while the call waited: its pictures, as bytes or as URLs."""

    pictures: tuple[bytes | str, ...]


CreateAnswer = Created | Finished | NotDone | NotMade
PollAnswer = Running | Failed | Succeeded | TimedOut | NotDone


@dataclass(frozen=True, slots=True)
class UnitCharge:
    """An entry of an account's history: units were charged for this task."""

    task_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class VendorTemplate:
    """A template that the vendor offers."""

    template_id: str
    title: str
    category: str | None
    thumbnail_url: str | None


@dataclass(frozen=True, slots=True)
class Balance:
    """The units that an account has left."""

    units: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The newest charges of an account; `more` if there are older ones."""

    charges: tuple[UnitCharge, ...]
    more: str | None


@dataclass(frozen=True, slots=True)
class VendorTemplatePage:
    """A page of templates; `more` leads to the next."""

    templates: tuple[VendorTemplate, ...]
    more: str | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The vendor has deleted its copies."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A picture to be uploaded."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The ids of files, in their order."""

    file_ids: tuple[str, ...]


class DownloadFailed(Exception):
    """The result did not come; a fresh URL may help."""


class DownloadRefused(Exception):
    """The result is refused because of its host or its size."""


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A task to create. It is not sent once `lease` has expired: another replica may hold the render by then."""

    feature: Feature
    task: Task
    refs: References
    lease: Lease
