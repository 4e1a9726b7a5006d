"""An analysis in a ZIP archive: `score_info.json` and the masks that it names, of bounded size."""

import asyncio
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from perfect_adapter.vendor.answers import OverallScore, Score
from perfect_adapter.vendor.parsing import document, overall_of_file, score_file

SCORES = "score_info.json"
MAX_FILES = 200
MAX_BYTES = 64 * 1024 * 1024


class ArchiveRejected(Exception):
    """The data is no archive, too large, or without scores."""


@dataclass(frozen=True, slots=True)
class ArchivedAnalysis:
    """Scores with the bytes of their masks, and the scores of the whole face."""

    scores: Sequence[tuple[Score, bytes | None]]
    overall: OverallScore


async def read(data: bytes) -> ArchivedAnalysis:
    """Return the analysis in an archive; it is unpacked outside the event loop.

    Raises:
        ArchiveRejected: it is unusable.
    """
    return await asyncio.to_thread(_read, data)


def _read(data: bytes) -> ArchivedAnalysis:
    files = _unpacked(data)
    info = document(files.get(SCORES, b""))
    scores = [(score, files.get(mask) if mask else None) for score, mask in score_file(info)]
    if not scores:
        raise ArchiveRejected("no scores")
    return ArchivedAnalysis(scores, overall_of_file(info))


def _unpacked(data: bytes) -> dict[str, bytes]:
    """Return the files by their names without folders."""
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
