"""An analysis in a ZIP archive: `score_info.json` and the masks that it names. Bounded, whatever the archive claims."""

import asyncio
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from perfect_adapter.adapters.calls import document
from perfect_adapter.adapters.reading import overall_of_file, score_file
from perfect_adapter.ports import Overall, Score

SCORES = "score_info.json"
MAX_FILES = 200
MAX_BYTES = 64 * 1024 * 1024


class ArchiveRejected(Exception):
    """It is none, it is too large, or it holds no scores."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """Scores with the bytes of their masks, and what is said of the face as a whole."""

    scores: Sequence[tuple[Score, bytes | None]]
    overall: Overall


async def read(data: bytes) -> Analysis:
    """The analysis in an archive; unpacked outside the loop.

    Raises:
        ArchiveRejected: it cannot be used.
    """
    return await asyncio.to_thread(_read, data)


def _read(data: bytes) -> Analysis:
    files = _unpacked(data)
    info = document(files.get(SCORES, b""))
    scores = [(score, files.get(mask) if mask else None) for score, mask in score_file(info)]
    if not scores:
        raise ArchiveRejected("no scores")
    return Analysis(scores, overall_of_file(info))


def _unpacked(data: bytes) -> dict[str, bytes]:
    """The files by their names without folders."""
    left = MAX_BYTES
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MAX_FILES:
                raise ArchiveRejected("too many files")
            for entry in archive.infolist():
                with archive.open(entry) as file:
                    content = file.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise ArchiveRejected("too large")
                files[entry.filename.rpartition("/")[2]] = content
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ArchiveRejected(type(error).__name__) from error
    return files
