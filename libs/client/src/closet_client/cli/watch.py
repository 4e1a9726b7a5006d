"""A job as it goes: its timeline line by line, and why it made nothing."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer
from rich.markup import escape

from closet_client.cli.output import err
from closet_client.client import ClosetClient
from closet_client.errors import ClosetError
from closet_client.models import Job, JobEvent, JobStatus

Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="Where the result goes; without a suffix it gets its own. Of several each gets a name."
    ),
]
_COLOURS = {
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.EXPIRED: "red",
    JobStatus.CANCELLED: "yellow",
}


def coloured(status: JobStatus) -> str:
    """The status as rich markup."""
    return f"[{_COLOURS.get(status, 'cyan')}]{status.value}[/]"


def check_output(path: Path) -> Path:
    """Refuse a place that cannot be written before anything is paid for."""
    if path.is_dir() or not path.name:
        raise typer.BadParameter(f"{path} is a folder; name a file", param_hint="--output")
    if not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder of {path} does not exist", param_hint="--output")
    try:
        # Rights say too little: of a full or read-only disk, and of root.
        TemporaryFile(dir=path.absolute().parent).close()
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}", param_hint="--output") from error
    return path


@contextmanager
def not_lost(job_id: str) -> Iterator[None]:
    """Whatever ends the command now, say how to come back to the job: it may have been paid for."""
    try:
        yield
    except (asyncio.CancelledError, ClosetError, OSError):
        err.print(f"The job is not lost: closet job {job_id} --wait -o PICTURE", soft_wrap=True)
        raise


async def watch(closet: ClosetClient, job_id: str) -> Job:
    """Show the timeline until the job has ended, and what is known of it then."""
    seen: set[str] = set()
    with err.status("waiting for news") as status:
        async with aclosing(closet.follow(job_id)) as timeline:
            async for event in timeline:
                seen.add(event.id)
                err.print(_line(event), soft_wrap=True)
                status.update(coloured(event.status))
    job = await closet.job(job_id)
    for event in job.timeline:
        if event.id not in seen:  # what came after the end: the charge
            err.print(_line(event), soft_wrap=True)
    return job


def why(job: Job) -> str:
    """Why there is no picture, for a person."""
    if job.error_message:
        return " ".join(filter(None, [f"{job.error_message} ({job.error_code})", job.error_tip]))
    return (
        "The job is not done yet." if not job.status.terminal else f"The job ended as {job.status}, without a picture."
    )


def _line(event: JobEvent) -> str:
    fact = event.type.removeprefix("closet.").rpartition(".")[0]
    return f"{event.elapsed_ms:>9,} ms  [dim]{escape(event.service):<16}[/]  {escape(fact)}"
