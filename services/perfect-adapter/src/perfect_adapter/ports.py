"""The vendor, as the rest of the service sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from closet_contracts.work import Task

from perfect_adapter.domain.account import Charge, Style
from perfect_adapter.domain.bodies import References
from perfect_adapter.domain.features import Feature
from perfect_adapter.domain.keys import Key
from perfect_adapter.domain.leases import Lease


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The call provably did not reach the vendor."""

    reason: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """429: nothing was done; the quota is used up, whatever our own count says."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The vendor understood and will not do it (4xx): nothing was done."""

    status: int
    code: str | None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The call may have reached the vendor, and no usable answer came: of a creation nobody knows what became of it."""

    reason: str


NotDone = Unreachable | Throttled | Refused | NoAnswer


@dataclass(frozen=True, slots=True)
class NotMade:
    """The call was charged and then not made: it counts nowhere. `reason` says why."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Created:
    """The task exists. Its id is text, whatever the vendor wrote it as."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Running:
    """The task has not ended; `interval_s` is how long the vendor asks to wait, 0 if it does not say."""

    interval_s: float


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The vendor says of this one task that it took too long; a published answer (500 `TaskTimeout`)."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The task ended in error; nothing is charged for it."""

    code: str


@dataclass(frozen=True, slots=True)
class Score:
    """What an analysis says about one concern, in one region of the face if it tells regions apart."""

    concern: str
    raw: float | None
    ui: float | None
    region: str | None = None
    mask_url: str | None = None
    word: str | None = None
    """What it is called, where it is no number: a type of skin."""


@dataclass(frozen=True, slots=True)
class Overall:
    """What an analysis says about the face as a whole."""

    score: float | None = None
    skin_age: float | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The task's results can be downloaded, for a while. An analysis has `scores`, each with its mask's URL."""

    urls: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    overall: Overall = Overall()


@dataclass(frozen=True, slots=True)
class Finished:
    """The task was carried out while we waited; here is what it made: bytes, or where they are."""

    pictures: tuple[bytes | str, ...]


Submission = Created | Finished | NotDone | NotMade
Look = Running | Failed | Succeeded | TimedOut | NotDone


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has left, in units."""

    units: int


@dataclass(frozen=True, slots=True)
class History:
    """The newest charges of an account; `more` if there are older ones."""

    charges: tuple[Charge, ...]
    more: str | None


@dataclass(frozen=True, slots=True)
class Styles:
    """A page of templates; `more` leads to the next."""

    styles: tuple[Style, ...]
    more: str | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The vendor's copies are gone."""


@dataclass(frozen=True, slots=True)
class File:
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
    """The result will not be taken: from there, or so large."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is ordered. Nothing leaves once `lease` is over: somebody else may have the render in hand by then."""

    feature: Feature
    task: Task
    refs: References
    lease: Lease


class Vendor(Protocol):
    """Every method but `download` is one call of the vendor's quota, which its caller has charged to that key."""

    async def create(self, key: Key, order: Order) -> Submission:
        """Order a task, once. It is billed: nobody but the caller may decide to call again."""

    async def look(self, key: Key, feature: Feature, task_id: str) -> Look:
        """How does the task stand?"""

    async def upload(self, key: Key, files: Sequence[File]) -> Uploaded | NotDone:
        """Bring pictures to the vendor's own storage."""

    async def balance(self, key: Key) -> Balance | NotDone:
        """What is left?"""

    async def history(self, key: Key, page: str | None = None) -> History | NotDone:
        """What was charged, the newest first?"""

    async def templates(self, key: Key, kind: str, page: str | None = None) -> Styles | NotDone:
        """Which templates are offered for this kind of work?"""

    async def delete(self, key: Key, task_id: str) -> Deleted | NotDone:
        """Delete a finished task with its files."""

    async def download(self, url: str) -> bytes:
        """A result's bytes.

        Raises:
            DownloadFailed: not now, or not from this URL any more.
            DownloadRefused: never.
        """


Keys = Mapping[str, Key]
"""The keys that this process holds, by name."""
