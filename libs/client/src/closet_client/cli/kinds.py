"""`closet text2img`, `edit`, `hairstyle`, `skin-analysis`: one thing asked for, its results saved."""

from pathlib import Path
from typing import Annotated

import typer
from closet_contracts.work import Concern, Style

from closet_client import items
from closet_client.cli.making import Agreed, Pixels, Wish, make, size_of
from closet_client.cli.settings import AsJson, Url, User
from closet_client.cli.uploads import picture, picture_option
from closet_client.cli.watch import Output, check_output

Prompt = Annotated[str, typer.Argument(help="What is to be seen.")]
Negative = Annotated[str | None, typer.Option("--negative", help="What is not to be seen.")]
Picture = Annotated[Path, picture("The picture to begin with.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("text2img")(text2img)
    app.command("edit")(edit)
    app.command("hairstyle")(hairstyle)
    app.command("skin-analysis")(skin_analysis)


def text2img(  # noqa: PLR0913  one parameter per option
    prompt: Prompt,
    *,
    output: Output = Path("result"),
    negative: Negative = None,
    style: Annotated[Style, typer.Option(help="How it looks.")] = Style.PHOTOREALISTIC,
    width: Pixels = None,
    height: Pixels = None,
    variants: Annotated[int, typer.Option(min=1, max=8, help="How many pictures.")] = 1,
    url: Url = "",
    user: User = "",
    json: AsJson = False,
) -> None:
    """Make pictures of what PROMPT says."""
    item = items.text_to_image(
        prompt, negative_prompt=negative, style=style, size=size_of(width, height), variants=variants
    )
    make(Wish(lambda _: item, check_output(output), of_person=False), url, user, json=json)


def edit(  # noqa: PLR0913  one parameter per option
    photo: Picture,
    prompt: Prompt,
    *,
    output: Output = Path("result"),
    mask: Annotated[Path | None, picture_option("--mask", "Change only what is white in this one.")] = None,
    negative: Negative = None,
    width: Pixels = None,
    height: Pixels = None,
    consent: Agreed = False,
    url: Url = "",
    user: User = "",
    json: AsJson = False,
) -> None:
    """Change a picture as PROMPT says."""
    size = size_of(width, height)
    wish = Wish(
        lambda keys: items.edit(keys["picture"], prompt, mask=keys.get("mask"), negative_prompt=negative, size=size),
        check_output(output),
        {"picture": photo, **({"mask": mask} if mask else {})},
        consent=consent,
    )
    make(wish, url, user, json=json)


def hairstyle(  # noqa: PLR0913  one parameter per option
    photo: Picture,
    *,
    output: Output = Path("result"),
    reference: Annotated[Path | None, picture_option("--reference", "A picture of the hair.")] = None,
    template: Annotated[str | None, typer.Option(help="A style that `closet templates hairstyle` lists.")] = None,
    consent: Agreed = False,
    url: Url = "",
    user: User = "",
    json: AsJson = False,
) -> None:
    """Make a picture of a person with other hair."""
    if (reference is None) == (template is None):
        raise typer.BadParameter("name one of --reference and --template")
    wish = Wish(
        lambda keys: items.hairstyle(keys["picture"], reference=keys.get("hair"), template=template),
        check_output(output),
        {"picture": photo, **({"hair": reference} if reference else {})},
        consent=consent,
    )
    make(wish, url, user, json=json)


def skin_analysis(  # noqa: PLR0913  one parameter per option
    photo: Picture,
    *,
    concern: Annotated[list[Concern], typer.Option(help="What to look at; may be given several times.")],
    output: Output = Path("skin"),
    hd: Annotated[bool, typer.Option("--hd", help="In high resolution.")] = False,
    consent: Agreed = False,
    url: Url = "",
    user: User = "",
    json: AsJson = False,
) -> None:
    """Score a face's skin; the scores are saved as JSON, beside them what was found where."""
    wish = Wish(
        lambda keys: items.skin_analysis(keys["picture"], concern, hd=hd),
        check_output(output),
        {"picture": photo},
        consent=consent,
    )
    make(wish, url, user, json=json)
