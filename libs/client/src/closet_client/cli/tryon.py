"""`closet tryon`: two pictures in, one out."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from closet_contracts.work import Category, Size
from rich.markup import escape
from rich.prompt import Confirm

from closet_client.cli.output import err, fail, out, print_json, run
from closet_client.cli.settings import AsJson, Url, User, client
from closet_client.cli.uploads import picture, upload_both
from closet_client.cli.watch import Output, check_output, save, watch, why
from closet_client.client import ClosetClient
from closet_client.models import Job
from closet_client.transfer import Downloaded

Person = Annotated[Path, picture("A photo of the person.")]
Garment = Annotated[Path, picture("A picture of the garment.")]
Pixels = typer.Option(min=64, max=4096, help="The picture's size in pixels; both or neither.")
Agreed = Annotated[bool, typer.Option("--consent", help="The person agreed that their photo is used for this picture.")]


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    person: Path
    garment: Path
    output: Path
    category: Category
    size: Size | None
    consent: bool


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tryon")(tryon)


def tryon(  # noqa: PLR0913  one parameter per option
    person: Person,
    garment: Garment,
    *,
    output: Output = Path("result"),
    category: Annotated[Category, typer.Option(help="Where on the body it is worn.")] = Category.TOP,
    width: Annotated[int | None, Pixels] = None,
    height: Annotated[int | None, Pixels] = None,
    consent: Agreed = False,
    url: Url = "",
    user: User = "",
    json: AsJson = False,
) -> None:
    """Make a picture of PERSON wearing GARMENT."""
    wish = Wish(person, garment, check_output(output), category, _size(width, height), consent)
    run(_tryon(wish, url, user, json=json))


async def _tryon(wish: Wish, url: str, user: str, *, json: bool) -> None:
    async with client(url, user) as closet:
        await _consent(closet, agreed=wish.consent)
        await _estimate(closet, wish.size)
        person, garment = await upload_both(closet, wish.person, wish.garment)
        created = await closet.try_on(person, garment, consent=True, category=wish.category, size=wish.size)
        err.print(f"{created.job_id}  about {created.estimated_time or 0:.0f} s", soft_wrap=True)
        job = await watch(closet, created.job_id)
        saved = await save(closet, job, wish.output) if job.result_urls else None
    if json:
        print_json(_report(job, saved))
    if saved is None:
        fail(why(job))
    elif not json:
        out.print(f"[green]✓[/] {escape(str(saved.path))}  {_made(job)}", soft_wrap=True)


def _made(job: Job) -> str:
    size = f"{job.results[0].width}x{job.results[0].height}, " if job.results else ""
    return f"{size}{job.cost.credits} credits (${job.cost.usd:.2f})"


async def _consent(closet: ClosetClient, *, agreed: bool) -> None:
    if (await closet.consent()).given:
        return
    if not agreed and sys.stdin.isatty():
        agreed = Confirm.ask(
            "Does the person agree that their photo is used for this picture?", console=err, default=False
        )
        if not agreed:
            fail("Nothing was sent: without consent there is no picture.")
    if not agreed:
        raise typer.BadParameter("ask the person for consent, then say --consent")
    await closet.give_consent()


async def _estimate(closet: ClosetClient, size: Size | None) -> None:
    quote = await closet.estimate(size=size)
    err.print(f"{quote.credits} credits (${quote.usd:.2f}) of {quote.balance}")
    if not quote.sufficient:
        fail(f"Not enough credits: {quote.credits} are needed, {quote.balance} are left.")


def _size(width: int | None, height: int | None) -> Size | None:
    if (width is None) != (height is None):
        raise typer.BadParameter("--width and --height come together")
    return Size(width=width, height=height) if width is not None and height is not None else None


def _report(job: Job, saved: Downloaded | None) -> dict[str, Any]:
    return {
        "jobId": job.id,
        "path": str(saved.path) if saved else None,
        "contentType": saved.content_type if saved else None,
        **job.model_dump(
            mode="json",
            include={"status", "cost", "credits_charged", "results", "error_code", "error_message", "timeline"},
        ),
    }
