"""`closet tryon`: two pictures in, one out."""

from pathlib import Path
from typing import Annotated

import typer
from closet_contracts.work import Category

from closet_client import items
from closet_client.cli.making import Agreed, Pixels, Wish, make, size_of
from closet_client.cli.settings import AsJson, Url, User
from closet_client.cli.uploads import picture
from closet_client.cli.watch import Output, check_output


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tryon")(tryon)


def tryon(  # noqa: PLR0913  one parameter per option
    person: Annotated[Path, picture("A photo of the person.")],
    garment: Annotated[Path, picture("A picture of the garment.")],
    *,
    output: Output = Path("result"),
    category: Annotated[Category, typer.Option(help="Where on the body it is worn.")] = Category.TOP,
    width: Pixels = None,
    height: Pixels = None,
    consent: Agreed = False,
    url: Url = "",
    user: User = "",
    json: AsJson = False,
) -> None:
    """Make a picture of PERSON wearing GARMENT."""
    size = size_of(width, height)
    wish = Wish(
        lambda keys: items.try_on(keys["person"], keys["garment"], category=category, size=size),
        check_output(output),
        {"person": person, "garment": garment},
        consent=consent,
    )
    make(wish, url, user, json=json)
