"""What a job made, saved and shown."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from closet_client.cli.output import err, out, table
from closet_client.cli.watch import why
from closet_client.client import ClosetClient
from closet_client.errors import ClosetError
from closet_client.models import Job, JobStatus, Result
from closet_client.pictures import SUFFIXES
from closet_client.transfer import Downloaded

_JSON = "application/json"


class JobEnded(ClosetError):
    """The job ended without a result."""


@dataclass(frozen=True)
class Saved:
    """A result that is here."""

    result: Result
    file: Downloaded

    def scores(self) -> list[dict[str, Any]]:
        """The scores of an analysis; none of a picture."""
        if self.file.content_type != _JSON:
            return []
        document = json.loads(self.file.path.read_bytes())
        return [each for each in document.get("scores", ()) if isinstance(each, dict)]


async def save(closet: ClosetClient, job: Job, path: Path) -> list[Saved]:
    """Save what a job made: a single file as `path`, several beside it, each with a name of its own.

    Raises:
        JobEnded: there is nothing.
    """
    if job.status is not JobStatus.COMPLETED or not job.result_urls:
        raise JobEnded(why(job))
    targets = zip(job.results, job.result_urls, _names(job.results, path), strict=True)
    return [Saved(result, _told(await closet.download(url, target))) for result, url, target in targets]


def show(job: Job, saved: list[Saved]) -> None:
    """Print what was saved, the scores in it, what it cost, and what could not be made."""
    for each in saved[:-1]:
        out.print(f"[green]✓[/] {escape(str(each.file.path))}  {_size(each.result)}".rstrip(), soft_wrap=True)
    last = saved[-1]
    size = f"{_size(last.result)}, " if _size(last.result) else ""
    out.print(f"[green]✓[/] {escape(str(last.file.path))}  {size}{_cost(job)}", soft_wrap=True)
    for failure in job.failures:
        told = " ".join(filter(None, [f"{failure.message} ({failure.code})", failure.tip]))
        err.print(f"[yellow]![/] item {failure.item}: {escape(told)}", soft_wrap=True)
    if rows := [_row(score) for each in saved for score in each.scores()]:
        table("SCORE", "CONCERN", "REGION", rows=rows, right=frozenset({"SCORE"}))


def _names(results: tuple[Result, ...], path: Path) -> Iterator[Path]:
    """One result is what the path says; of several each is called after what it shows, or by its number."""
    taken: set[str] = set()
    for number, result in enumerate(results):
        name = (result.label or "").replace(".", "-") or str(result.item)
        name = name if name not in taken else f"{name}-{number}"
        taken.add(name)
        yield path if len(results) == 1 else path.with_name(f"{path.stem}-{name}{_suffix(path, result)}")


def _suffix(path: Path, result: Result) -> str:
    return ".json" if result.content_type == _JSON else path.suffix


def _told(file: Downloaded) -> Downloaded:
    suffix = SUFFIXES.get(file.content_type)
    if suffix and file.path.suffix.lower() not in {suffix, ".jpeg" if suffix == ".jpg" else suffix}:
        err.print(f"[yellow]![/] {escape(file.path.name)} holds {file.content_type} bytes, as the server made them.")
    return file


def _size(result: Result) -> str:
    return f"{result.width}x{result.height}" if result.width else ""


def _cost(job: Job) -> str:
    if job.credits_charged is not None and job.credits_charged != job.cost.credits:
        return f"{job.credits_charged} of {job.cost.credits} credits"
    return f"{job.cost.credits} credits (${job.cost.usd:.2f})"


def _row(score: dict[str, Any]) -> tuple[str, str, str]:
    number = score.get("score")
    shown = str(score.get("value") or "") if number is None else f"{number:g}"
    return shown, str(score.get("concern") or ""), str(score.get("region") or "")
