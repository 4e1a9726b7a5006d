"""From a wish on the command line to what it became: consent, price, pictures, the job, its results."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from closet_contracts.work import Size
from rich.prompt import Confirm

from closet_client.cli.output import err, fail, print_json, run
from closet_client.cli.results import Saved, save, show
from closet_client.cli.settings import client
from closet_client.cli.uploads import upload_all
from closet_client.cli.watch import not_lost, watch, why
from closet_client.client import ClosetClient
from closet_client.items import Item
from closet_client.models import Estimate, Job

Agreed = Annotated[bool, typer.Option("--consent", help="The person agreed that their photo is used for this.")]
_PIXELS = typer.Option(min=64, max=4096, help="The result's size in pixels; both or neither.")
Pixels = Annotated[int | None, _PIXELS]


@dataclass(frozen=True)
class Wish:
    """What was asked for. `item` makes it from the keys of the pictures, by their names here."""

    item: Callable[[Mapping[str, str]], Item]
    output: Path
    pictures: Mapping[str, Path] = field(default_factory=dict)
    of_person: bool = True
    consent: bool = False


def size_of(width: int | None, height: int | None) -> Size | None:
    """The size that two options name."""
    if (width is None) != (height is None):
        raise typer.BadParameter("--width and --height come together")
    return Size(width=width, height=height) if width is not None and height is not None else None


def make(wish: Wish, url: str, user: str, *, json: bool) -> None:
    """Have it made, and print what became of it."""
    run(_make(wish, url, user, json=json))


async def _make(wish: Wish, url: str, user: str, *, json: bool) -> None:
    async with client(url, user) as closet:
        if wish.of_person:
            await _consent(closet, agreed=wish.consent)
        quote = await _estimate(closet, wish.item(dict.fromkeys(wish.pictures, "")))
        item = wish.item(await upload_all(closet, wish.pictures) if wish.pictures else {})
        created = await closet.create(item, consent=True if wish.of_person else None, quote_id=quote.quote_id)
        err.print(f"{created.job_id}  about {created.estimated_time or 0:.0f} s", soft_wrap=True)
        with not_lost(created.job_id):
            job = await watch(closet, created.job_id)
            saved = await save(closet, job, wish.output) if job.result_urls else []
    if json:
        print_json(_report(job, saved))
    if not saved:
        fail(why(job))
    elif not json:
        show(job, saved)


async def _consent(closet: ClosetClient, *, agreed: bool) -> None:
    if (await closet.consent()).given:
        return
    if not agreed and sys.stdin.isatty():
        agreed = Confirm.ask("Does the person agree that their photo is used for this?", console=err, default=False)
        if not agreed:
            fail("Nothing was sent: without consent there is no picture.")
    if not agreed:
        raise typer.BadParameter("ask the person for consent, then say --consent")
    await closet.give_consent()


async def _estimate(closet: ClosetClient, item: Item) -> Estimate:
    quote = await closet.estimate(item)
    err.print(f"{quote.credits} credits (${quote.usd:.2f}) of {quote.balance}")
    if not quote.sufficient:
        fail(f"Not enough credits: {quote.credits} are needed, {quote.balance} are left.")
    return quote


def _report(job: Job, saved: list[Saved]) -> dict[str, Any]:
    first = saved[0].file if saved else None
    told = {"status", "cost", "credits_charged", "results", "failures", "timeline"}
    return {
        "jobId": job.id,
        "path": str(first.path) if first else None,
        "contentType": first.content_type if first else None,
        "paths": [str(each.file.path) for each in saved],
        "scores": [score for each in saved for score in each.scores()],
        **job.model_dump(mode="json", include=told | {"error_code", "error_message", "error_tip"}),
    }
