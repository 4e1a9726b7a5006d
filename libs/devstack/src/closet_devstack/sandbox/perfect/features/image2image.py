"""Edit without a mask: up to three pictures and a prompt make one."""

from collections.abc import Sequence

from PIL import Image, ImageOps

from closet_devstack.sandbox.perfect.errors import invalid
from closet_devstack.sandbox.perfect.features.feature import Feature, File, JsonObject, Made, Order, Sku
from closet_devstack.sandbox.perfect.features.reading import (
    NEGATIVE_LONGEST,
    PROMPT_LONGEST,
    choice,
    file_parameters,
    flag,
    pictures,
    size,
    text,
)
from closet_devstack.sandbox.perfect.features.text2image import MODELS
from closet_devstack.sandbox.perfect.pictures.imagined import caption, tint
from closet_devstack.sandbox.perfect.pictures.inputs import Limits, open_input
from closet_devstack.sandbox.perfect.pictures.marks import jpeg, mark

_SKU = Sku("AI Image Generator (image to image, v2)", 1)
_PICTURES_AT_MOST = 3
_LIMITS = Limits(("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF"), longest=3072, long_at_least=384, short_at_least=384)
_SHORTEST, _LONGEST, _STEP = 512, 2048, 16


def _read(body: JsonObject) -> Order:
    options = {
        "model": choice(body, "model", MODELS),
        "prompt": text(body, "prompt", PROMPT_LONGEST),
        "negative_prompt": text(body, "negative_prompt", NEGATIVE_LONGEST, required=False),
        "size": _size(body),
        "prompt_extend": flag(body, "prompt_extend", default=True),
    }
    return Order(pictures(body, "src", _PICTURES_AT_MOST), options, _SKU.units)


def _size(body: JsonObject) -> tuple[int, int] | None:
    words = text(body, "size", 20, required=False)
    if not words:
        return None
    width, height = size(words)
    if not (_SHORTEST <= width <= _LONGEST and _SHORTEST <= height <= _LONGEST):
        raise invalid(f"each side of size must be from {_SHORTEST} to {_LONGEST}")
    return _to_step(width), _to_step(height)


def _paint(inputs: Sequence[bytes], options: JsonObject) -> Made:
    first, *others = [open_input(data, limits=_LIMITS) for data in inputs]
    result = ImageOps.fit(first, options["size"] or _own_size(first))
    result = tint(result, f"{options['prompt']}/{options['negative_prompt']}")
    for place, other in enumerate(others):
        _inset(result, other, place)
    caption(result, options["prompt"])
    mark(result)
    return Made((File(jpeg(result)),))


def _own_size(image: Image.Image) -> tuple[int, int]:
    """The picture's own, within what the engine makes."""
    width, height = (_to_step(min(max(side, _SHORTEST), _LONGEST)) for side in image.size)
    return width, height


def _to_step(side: int) -> int:
    """What the engine makes of a side: it works in steps of 16 pixels."""
    return (side + _STEP // 2) // _STEP * _STEP


def _inset(image: Image.Image, other: Image.Image, place: int) -> None:
    """A further input, small, at the right edge."""
    side = min(image.size) // 4
    small = ImageOps.expand(ImageOps.fit(other, (side, side)), 3, "white")
    image.alpha_composite(small, (image.width - small.width, image.height // 4 + place * (small.height + 8)))


IMAGE2IMAGE = Feature(
    "image-to-image",
    "/s2s/v2.0/task/image-to-image/youcam",
    (_SKU,),
    file_parameters("src", many=True) | {"model", "prompt", "negative_prompt", "size", "prompt_extend"},
    _read,
    _paint,
)
