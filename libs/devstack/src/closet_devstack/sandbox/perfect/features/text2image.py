"""Text to image: the prompt, drawn."""

from collections.abc import Sequence

from closet_devstack.sandbox.perfect.features.feature import Feature, File, JsonObject, Made, Order, Sku
from closet_devstack.sandbox.perfect.features.reading import (
    NEGATIVE_LONGEST,
    PROMPT_LONGEST,
    choice,
    flag,
    size,
    text,
)
from closet_devstack.sandbox.perfect.pictures.imagined import imagine
from closet_devstack.sandbox.perfect.pictures.marks import jpeg, mark

MODELS = ("youcam-image-v2",)
_SKU = Sku("AI Image Generator (text to image, v2)", 1)
_SIZES = ("1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664")


def _read(body: JsonObject) -> Order:
    options = {
        "model": choice(body, "model", MODELS),
        "prompt": text(body, "prompt", PROMPT_LONGEST),
        "negative_prompt": text(body, "negative_prompt", NEGATIVE_LONGEST, required=False),
        "size": size(choice(body, "size", _SIZES, default=_SIZES[0])),
        "prompt_extend": flag(body, "prompt_extend", default=True),
    }
    return Order((), options, _SKU.units)


def _paint(_inputs: Sequence[bytes], options: JsonObject) -> Made:
    image = imagine(options["size"], options["prompt"], options["negative_prompt"])
    mark(image)
    return Made((File(jpeg(image)),))


_PARAMETERS = frozenset({"model", "prompt", "negative_prompt", "size", "prompt_extend"})

TEXT2IMAGE = Feature("text-to-image", "/s2s/v2.0/task/text-to-image/youcam", (_SKU,), _PARAMETERS, _read, _paint)
