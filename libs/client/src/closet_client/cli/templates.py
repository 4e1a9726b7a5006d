"""`closet templates`: the styles that a kind of work may name."""

from typing import Annotated

import typer

from closet_client.cli.output import err, print_json, run, table
from closet_client.cli.settings import AsJson, Url, User, client

Kind = Annotated[str, typer.Argument(help="What they are for: hairstyle.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="How many, at most.")]
Cursor = Annotated[str, typer.Option("--cursor", help="Go on where an earlier page ended.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("templates")(templates)


def templates(  # noqa: PLR0913  one parameter per option
    kind: Kind, *, limit: Limit = 50, cursor: Cursor = "", url: Url = "", user: User = "", json: AsJson = False
) -> None:
    """List the styles that the vendor offers."""
    run(_templates(kind, limit, cursor, url, user, json=json))


async def _templates(  # noqa: PLR0913  one parameter per option
    kind: str, limit: int, cursor: str, url: str, user: str, *, json: bool
) -> None:
    async with client(url, user) as closet:
        page = await closet.templates(kind, limit=limit, cursor=cursor or None)
    if json:
        print_json(page)
        return
    table(
        "TEMPLATE",
        "CATEGORY",
        "TITLE",
        rows=[(each.template_id, each.category or "", each.title) for each in page.templates],
    )
    if page.next_cursor:
        err.print(f"more: closet templates {kind} --cursor {page.next_cursor}", soft_wrap=True)
