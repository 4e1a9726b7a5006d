"""The vendor, as the rest of the service sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from closet_contracts.work import Role, Task


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


@dataclass(frozen=True, slots=True)
class Created:
    """The task exists. Its id is text, whatever the vendor wrote it as."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Running:
    """The task has not ended; `interval_s` is how long the vendor asks to wait, 0 if it does not say."""

    interval_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The task ended in error; nothing is charged for it."""

    code: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The task's results can be downloaded, for a while."""

    urls: tuple[str, ...]


Submission = Created | Throttled | Refused | Unreachable | NoAnswer
Look = Running | Failed | Succeeded | Throttled | Refused | Unreachable | NoAnswer


class DownloadFailed(Exception):
    """The result did not come; a fresh URL may help."""


class DownloadRefused(Exception):
    """The result will not be taken: from there, or so large."""


class Vendor(Protocol):
    """Every method but `download` is one call of the vendor's quota, which its caller has charged."""

    async def create(self, work: Task, inputs: Mapping[Role, str]) -> Submission:
        """Order a task, once. It is billed: nobody but the caller may decide to call again."""

    async def look(self, work: Task, task_id: str) -> Look:
        """How does the task stand?"""

    async def download(self, url: str) -> bytes:
        """A result's bytes.

        Raises:
            DownloadFailed: not now, or not from this URL any more.
            DownloadRefused: never.
        """
