"""Both pictures on their way at once, with a bar each."""

import asyncio
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from closet_client.cli.output import err
from closet_client.client import ClosetClient
from closet_client.models import UploadTicket
from closet_client.pictures import content_type_of


def picture(meaning: str) -> Any:  # noqa: ANN401  what Typer's own function is declared to give
    """An argument that names a picture; what is none is refused before anything is sent."""
    return typer.Argument(help=meaning, exists=True, dir_okay=False, readable=True, callback=_check)


def _check(path: Path) -> Path:
    with path.open("rb") as file:
        if content_type_of(file.read(12)) is None:
            raise typer.BadParameter(f"{path} is not a JPEG, PNG or WebP picture")
    return path


async def upload_both(closet: ClosetClient, person: Path, garment: Path) -> tuple[UploadTicket, UploadTicket]:
    """Upload the two pictures; one that fails stops the other."""
    columns = (TextColumn("{task.description:<8}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=err) as progress:
        try:
            async with asyncio.TaskGroup() as group:
                first = group.create_task(_upload(closet, person, "person", progress))
                second = group.create_task(_upload(closet, garment, "garment", progress))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
    return first.result(), second.result()


async def _upload(closet: ClosetClient, path: Path, name: str, progress: Progress) -> UploadTicket:
    bar = progress.add_task(name, total=path.stat().st_size)  # noqa: ASYNC240  one look at a local file
    return await closet.upload(path, on_progress=lambda done, _total: progress.update(bar, completed=done))
