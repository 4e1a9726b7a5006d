"""`closet batch`: many pictures in one job, as a file says."""

import json as codec
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from closet_client import items
from closet_client.cli.making import Agreed, Wish, make
from closet_client.cli.settings import AsJson, Url, User
from closet_client.cli.uploads import check_picture
from closet_client.cli.watch import Output, check_output
from closet_client.items import Item

_HELP = 'JSON: {"items": [...]} as the API takes them; a key may be the name of a picture beside the file.'
File = Annotated[Path, typer.Argument(help=_HELP, exists=True, dir_okay=False)]
_UPLOADED = "tenant/"
_WORDS_ONLY = "text2img"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("batch")(batch)


def batch(  # noqa: PLR0913  one parameter per option
    file: Annotated[
        Path,
        typer.Argument(help='JSON: {"items": [...]}; keys may name pictures beside it.', exists=True, dir_okay=False),
    ],
    *,
    output: Output = Path("result"),
    consent: Agreed = False,
    url: Url = "",
    user: User = "",
    json: AsJson = False,
) -> None:
    """Make all that FILE asks for, in one job."""
    wanted = _read(file)
    pictures = {value: file.parent / value for item in wanted for value in _local(item)}
    for path in pictures.values():
        if not path.is_file():
            raise typer.BadParameter(f"{path} does not exist")
        check_picture(path)
    wish = Wish(
        lambda keys: items.batch([_with_keys(item, keys) for item in wanted]),
        check_output(output),
        pictures,
        of_person=any(item.get("type") != _WORDS_ONLY for item in wanted),
        consent=consent,
    )
    make(wish, url, user, json=json)


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        content = codec.loads(file.read_bytes())
    except ValueError as error:
        raise typer.BadParameter(f"{file} is not JSON") from error
    wanted = content.get("items") if isinstance(content, dict) else content
    if not isinstance(wanted, list) or not wanted or not all(isinstance(item, dict) for item in wanted):
        raise typer.BadParameter(f"{file} holds no list of items")
    return wanted


def _local(item: Item) -> list[str]:
    """The pictures that are files here; a key that an upload was given is none."""
    named = [value for name, value in item.items() if name.endswith("Key") and isinstance(value, str)]
    return [value for value in named if not value.startswith(_UPLOADED)]


def _with_keys(item: Item, keys: Mapping[str, str]) -> Item:
    local = _local(item)
    return {name: keys[value] if value in local and name.endswith("Key") else value for name, value in item.items()}
