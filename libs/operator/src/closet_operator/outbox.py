"""`closet-ops outbox`: what one service has yet to publish, and publishing again after a loss."""

import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import typer
from closet_chassis.postgres import DATABASE_ERRORS, Pool, close_pool, create_pool
from closet_client.cli.output import fail, out, print_json, run
from closet_client.cli.settings import AsJson
from closet_messaging.sweeper import read_overdue, replay_outbox

app = typer.Typer(
    name="outbox", help="The outbox of the service whose CLOSET_DATABASE_URL is set.", no_args_is_help=True
)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"not ISO 8601: {text}") from error
    if moment.tzinfo is None:
        raise typer.BadParameter("give the offset from UTC, such as 2026-05-01T12:00:00+00:00")
    return moment


Since = Annotated[datetime, typer.Option("--since", parser=_moment, help="ISO 8601 with offset, at most a day ago.")]


@app.command()
def show(*, json: AsJson = False) -> None:
    """Show the events that are overdue for publishing."""

    async def read(pool: Pool) -> None:
        overdue = await read_overdue(pool)
        if json:
            print_json({noun: {"count": late.count, "oldest_s": late.oldest_s} for noun, late in overdue.items()})
            return
        for noun, late in sorted(overdue.items()):
            line = f"closet.{noun}.>: {late.count} events are overdue, the oldest has waited {late.oldest_s:.0f} s"
            out.print(line, markup=False)
        if not overdue:
            out.print("nothing is overdue")

    _on_database(read)


@app.command()
def replay(*, since: Since) -> None:
    """Publish again what the service has published since then, after the bus lost data."""

    async def mark(pool: Pool) -> None:
        out.print(f"{await replay_outbox(pool, since)} events will be published again")

    _on_database(mark)


def _on_database(work: Callable[[Pool], Awaitable[None]]) -> None:
    url = os.environ.get("CLOSET_DATABASE_URL", "")
    if not url:
        raise typer.BadParameter("set CLOSET_DATABASE_URL, that of the service")
    run(_with_pool(url, work))


async def _with_pool(url: str, work: Callable[[Pool], Awaitable[None]]) -> None:
    try:
        pool = await create_pool(url, 1)
        try:
            await work(pool)
        finally:
            await close_pool(pool)
    except DATABASE_ERRORS as error:
        fail(f"the database does not answer ({type(error).__name__})")
