"""What will go wrong with a task: settled when it is created, so that the first fault is the first task's."""

import io
import zipfile
from dataclasses import dataclass

from closet_devstack.sandbox.perfect.faults import Faults, Occasion
from closet_devstack.sandbox.perfect.features import File, Made
from closet_devstack.sandbox.perfect.pictures import marks


def nothing() -> Made:
    """Success, and no result."""
    return Made((), lambda _urls: {})


@dataclass(frozen=True, slots=True)
class Fate:
    """Of one task."""

    error: str | None
    longer_ms: int
    is_stuck: bool
    times_out: bool
    makes_nothing: bool
    makes_another_kind: bool

    @classmethod
    def of(cls, occasion: Occasion, faults: Faults) -> "Fate":
        error, longer = faults.take("engine_error", occasion), faults.take("slow_task", occasion)
        return cls(
            error=(error.code or "unknown_internal_error") if error else None,
            longer_ms=longer.ms if longer else 0,
            is_stuck=faults.take("stuck", occasion) is not None,
            times_out=faults.take("task_timeout", occasion) is not None,
            makes_nothing=faults.take("no_results", occasion) is not None,
            makes_another_kind=faults.take("other_kind", occasion) is not None,
        )

    def changed(self, made: Made) -> Made:
        """What comes of a result."""
        if self.makes_nothing:
            return nothing()
        return _another_kind(made) if self.makes_another_kind else made


def _another_kind(made: Made) -> Made:
    """An archive instead of a picture, a picture instead of an analysis."""
    if any(file.suffix != "jpg" for file in made.files):
        return Made((File(marks.fixed()),))
    return Made((File(_archive(made.files), "zip"),))


def _archive(files: tuple[File, ...]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for index, file in enumerate(files):
            archive.writestr(f"{index}.{file.suffix}", file.data)
    return out.getvalue()
