"""Pictures on their way at once, with a bar each."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from closet_client.cli.output import err
from closet_client.client import ClosetClient
from closet_client.conversion import convertible
from closet_client.models import UploadTicket
from closet_client.pictures import content_type_of


def picture(meaning: str) -> Any:  # noqa: ANN401  what Typer's own function is declared to give
    """An argument that names a picture; what is none is refused before anything is sent."""
    return typer.Argument(help=meaning, exists=True, dir_okay=False, readable=True, callback=check_picture)


def picture_option(name: str, meaning: str) -> Any:  # noqa: ANN401  as above
    """An option that does."""
    return typer.Option(name, help=meaning, exists=True, dir_okay=False, readable=True, callback=check_picture)


def check_picture(path: Path | None) -> Path | None:
    """Refuse what is no picture, and cannot be made one."""
    if path is not None:
        with path.open("rb") as file:
            head = file.read(12)
        if content_type_of(head) is None and convertible(head) is None:
            raise typer.BadParameter(
                f"{path} is not a picture that can be used: JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP"
            )
    return path


async def upload_all(closet: ClosetClient, pictures: Mapping[str, Path]) -> dict[str, str]:
    """Upload the pictures; the key of each by its name. One that fails stops the others."""
    columns = (TextColumn("{task.description:<8}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=err) as progress:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    name: group.create_task(_upload(closet, path, name, progress)) for name, path in pictures.items()
                }
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
    return {name: task.result().key for name, task in tasks.items()}


async def _upload(closet: ClosetClient, path: Path, name: str, progress: Progress) -> UploadTicket:
    bar = progress.add_task(name, total=path.stat().st_size)  # noqa: ASYNC240  one look at a local file
    return await closet.upload(path, on_progress=lambda done, total: progress.update(bar, completed=done, total=total))
