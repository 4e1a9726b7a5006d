"""What can be asked for, as the gateway takes it: by itself, as an item of a batch, or to be estimated.

A picture is named by its upload, or by the key that the upload was given.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from closet_contracts.work import Category, Concern, Size, Style

from closet_client.models import UploadTicket

Item: TypeAlias = Mapping[str, Any]
Picture: TypeAlias = UploadTicket | str

_TERMS = frozenset({"type", "size", "width", "height", "variants", "actions", "hd"})
"""What prices depend on."""


def try_on(person: Picture, garment: Picture, *, category: Category = Category.TOP, size: Size | None = None) -> Item:
    """The person wearing the garment."""
    keys = {"personKey": _key(person), "itemKey": _key(garment)}
    return _item("tryon", **keys, category=category.value, size=_size(size))


def text_to_image(
    prompt: str,
    *,
    negative_prompt: str | None = None,
    style: Style | None = None,
    size: Size | None = None,
    variants: int = 1,
) -> Item:
    """Pictures made from words."""
    words = {"prompt": prompt, "negativePrompt": negative_prompt, "style": style and style.value}
    return _item("text2img", **words, **(_size(size) or {}), variants=variants)


def edit(
    picture: Picture,
    prompt: str,
    *,
    mask: Picture | None = None,
    negative_prompt: str | None = None,
    size: Size | None = None,
) -> Item:
    """The picture changed as the prompt says; with a mask of its size, only where that is white."""
    keys = {"imageKey": _key(picture), "maskKey": mask and _key(mask)}
    return _item("edit", **keys, prompt=prompt, negativePrompt=negative_prompt, size=_size(size))


def hairstyle(picture: Picture, *, reference: Picture | None = None, template: str | None = None) -> Item:
    """The person with the hair of the reference picture or of the template: name one of them."""
    return _item("hairstyle", imageKey=_key(picture), referenceKey=reference and _key(reference), templateId=template)


def skin_analysis(picture: Picture, concerns: Sequence[Concern], *, hd: bool = False) -> Item:
    """Scores of the face's skin; `hd` needs a photo of high resolution."""
    return _item("skin-analysis", imageKey=_key(picture), actions=[each.value for each in concerns], hd=hd)


def batch(items: Sequence[Item]) -> Item:
    """All of these in one job."""
    return _item("batch", items=[dict(each) for each in items])


def terms(item: Item) -> Item:
    """That part of an item which its price depends on: what an estimate takes."""
    found = {name: value for name, value in item.items() if name in _TERMS}
    return found | ({"items": [terms(each) for each in item["items"]]} if "items" in item else {})


def _item(kind: str, **fields: Any) -> Item:  # noqa: ANN401  any JSON
    return {"type": kind, **{name: value for name, value in fields.items() if value is not None}}


def _key(picture: Picture) -> str:
    return picture if isinstance(picture, str) else picture.key


def _size(size: Size | None) -> dict[str, int] | None:
    return None if size is None else {"width": size.width, "height": size.height}
