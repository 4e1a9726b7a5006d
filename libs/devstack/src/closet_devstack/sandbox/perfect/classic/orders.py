"""The bodies of the classic profile's calls, understood as orders of the features of today."""

import base64
import binascii
from collections.abc import Callable, Mapping

from closet_devstack.sandbox.perfect.errors import invalid
from closet_devstack.sandbox.perfect.features import Feature, JsonObject, Order, Reference
from closet_devstack.sandbox.perfect.features.hair import HAIR
from closet_devstack.sandbox.perfect.features.image2image import IMAGE2IMAGE
from closet_devstack.sandbox.perfect.features.reading import NEGATIVE_LONGEST, PROMPT_LONGEST, Role, choice, text
from closet_devstack.sandbox.perfect.features.replace import REPLACE
from closet_devstack.sandbox.perfect.features.skin import SKIN
from closet_devstack.sandbox.perfect.features.text2image import MODELS, TEXT2IMAGE
from closet_devstack.sandbox.perfect.features.tryon import TRYON

Read = Callable[[JsonObject], tuple[Feature, Order]]

_GARMENTS = {
    "top": "upper_body",
    "bottom": "lower_body",
    "dress": "full_body",
    "outerwear": "outer",
    "shoes": "shoes",
    "auto": "auto",
}
_SHORTEST_SIDE, _LONGEST_SIDE, _USUAL_SIDE = 64, 4096, 1024


def _text2img(body: JsonObject) -> tuple[Feature, Order]:
    options = {
        "prompt": text(body, "prompt", PROMPT_LONGEST),
        "negative_prompt": text(body, "negative_prompt", NEGATIVE_LONGEST, required=False),
        "style": text(body, "style", NEGATIVE_LONGEST, required=False),
        "size": (_side(body, "width"), _side(body, "height")),
    }
    return TEXT2IMAGE, Order((), options, TEXT2IMAGE.skus[0].units)


def _tryon(body: JsonObject) -> tuple[Feature, Order]:
    text(body, "fit_mode", 50, required=False)
    garment = _GARMENTS[choice(body, "category", _GARMENTS, default="top")]
    urls = {"src_file_url": body.get("person_image_url"), "ref_file_url": body.get("item_image_url")}
    return TRYON[0], TRYON[0].read({**urls, "garment_category": garment})


def _edit(body: JsonObject) -> tuple[Feature, Order]:
    if body.get("mask") is None:
        named = {"src_file_urls": [body.get("image_url")], "prompt": body.get("prompt"), "model": MODELS[0]}
        return IMAGE2IMAGE, IMAGE2IMAGE.read(named)
    references = _picture(body, "image_url", "src"), _picture(body, "mask", "msk")
    return REPLACE, Order(references, {"prompt": text(body, "prompt", PROMPT_LONGEST)}, REPLACE.skus[0].units)


def _hairstyle(body: JsonObject) -> tuple[Feature, Order]:
    urls = {"src_file_url": body.get("image_url"), "ref_file_url": body.get("reference_url")}
    return HAIR, HAIR.read({**urls, "template_id": body.get("template_id")})


def _skin(body: JsonObject) -> tuple[Feature, Order]:
    named = {"src_file_url": body.get("image_url"), "dst_actions": body.get("actions"), "format": "json"}
    return SKIN[0], SKIN[0].read(named)


READS: Mapping[str, Read] = {
    "text2img": _text2img,
    "image-edit": _edit,
    "fashion/tryon": _tryon,
    "hairstyle/tryon": _hairstyle,
    "skin-analysis": _skin,
}


def _side(body: JsonObject, name: str) -> int:
    side = body.get(name, _USUAL_SIDE)
    if not isinstance(side, int) or isinstance(side, bool) or not _SHORTEST_SIDE <= side <= _LONGEST_SIDE:
        raise invalid(f"{name} must be from {_SHORTEST_SIDE} to {_LONGEST_SIDE}")
    return side


def _picture(body: JsonObject, name: str, role: Role) -> Reference:
    """A URL, or the picture itself in base64, with or without `data:` before it."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{name} is required")
    if value.startswith(("http://", "https://")):
        return Reference(role, url=value)
    try:
        return Reference(role, data=base64.b64decode(value.rpartition(",")[2], validate=True))
    except binascii.Error:
        raise invalid(f"{name} must be a URL or base64") from None
