"""A job as it goes: its timeline line by line, and its picture saved at the end."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from closet_client.cli.output import err
from closet_client.client import ClosetClient
from closet_client.errors import ClosetError
from closet_client.models import Job, JobEvent, JobStatus
from closet_client.pictures import SUFFIXES
from closet_client.transfer import Downloaded

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Where the picture goes; without a suffix it gets the picture's own.")
]
_COLOURS = {
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.EXPIRED: "red",
    JobStatus.CANCELLED: "yellow",
}


class JobEnded(ClosetError):
    """The job ended without a picture."""


def coloured(status: JobStatus) -> str:
    """The status as rich markup."""
    return f"[{_COLOURS.get(status, 'cyan')}]{status.value}[/]"


def check_output(path: Path) -> Path:
    """Refuse a place that cannot be written before anything is paid for."""
    if path.is_dir() or not path.name:
        raise typer.BadParameter(f"{path} is a folder; name a file", param_hint="--output")
    if not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder of {path} does not exist", param_hint="--output")
    return path


async def watch(closet: ClosetClient, job_id: str) -> Job:
    """Show the timeline until the job has ended, and what is known of it then."""
    seen: set[str] = set()
    try:
        with err.status("waiting for news") as status:
            async with aclosing(closet.follow(job_id)) as timeline:
                async for event in timeline:
                    seen.add(event.id)
                    err.print(_line(event), soft_wrap=True)
                    status.update(coloured(event.status))
        job = await closet.job(job_id)
    except asyncio.CancelledError:
        err.print(f"The job goes on without you: closet job {job_id} --wait -o PICTURE", soft_wrap=True)
        raise
    for event in job.timeline:
        if event.id not in seen:  # what came after the end: the charge
            err.print(_line(event), soft_wrap=True)
    return job


async def save(closet: ClosetClient, job: Job, path: Path) -> Downloaded:
    """Save the picture of a job that has ended.

    Raises:
        JobEnded: there is none.
    """
    if job.status is not JobStatus.COMPLETED or not job.result_urls:
        raise JobEnded(why(job))
    saved = await closet.download(job.result_urls[0], path)
    suffix = SUFFIXES.get(saved.content_type)
    if suffix and saved.path.suffix.lower() not in {suffix, ".jpeg" if suffix == ".jpg" else suffix}:
        err.print(f"[yellow]![/] {escape(saved.path.name)} holds {saved.content_type} bytes, as the server made them.")
    return saved


def why(job: Job) -> str:
    """Why there is no picture, for a person."""
    if job.error_message:
        return f"{job.error_message} ({job.error_code})"
    return (
        "The job is not done yet." if not job.status.terminal else f"The job ended as {job.status}, without a picture."
    )


def _line(event: JobEvent) -> str:
    fact = event.type.removeprefix("closet.").rpartition(".")[0]
    return f"{event.elapsed_ms:>9,} ms  [dim]{escape(event.service):<16}[/]  {escape(fact)}"
