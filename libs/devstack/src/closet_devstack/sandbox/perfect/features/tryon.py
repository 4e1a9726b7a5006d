"""Try-on: a garment on a person. Three generations of the same engine."""

from collections.abc import Sequence

from PIL import Image, ImageOps

from closet_devstack.sandbox.perfect.features.feature import Feature, File, JsonObject, Made, Order, Sku
from closet_devstack.sandbox.perfect.features.reading import choice, file_parameters, flag, picture
from closet_devstack.sandbox.perfect.pictures.inputs import open_input, require_person
from closet_devstack.sandbox.perfect.pictures.marks import jpeg, mark

_SKU = Sku("AI Clothes virtual try-on", 2)
_CATEGORIES = frozenset({"full_body", "lower_body", "upper_body", "shoes", "auto"})
_CATEGORIES_V4 = _CATEGORIES | {"outer"}

# Where the garment goes, in shares of the person's picture: left, top, right, bottom.
_PLACES = {
    "upper_body": (0.24, 0.30, 0.76, 0.64),
    "outer": (0.18, 0.28, 0.82, 0.74),
    "lower_body": (0.28, 0.55, 0.72, 0.92),
    "full_body": (0.22, 0.28, 0.78, 0.92),
    "shoes": (0.30, 0.86, 0.70, 0.99),
}


def _read(body: JsonObject, categories: frozenset[str]) -> Order:
    references = (picture(body, "src"), picture(body, "ref"))
    category = choice(body, "garment_category", categories)
    options = {
        "category": category,
        "change_shoes": flag(body, "change_shoes", default=True),
        "filter_multi_person": choice(body, "filter_multi_person", ("off", "normal", "strict"), default="off"),
    }
    return Order(references, options, _SKU.units)


def _paint(inputs: Sequence[bytes], options: JsonObject) -> Made:
    person, garment = open_input(inputs[0]), open_input(inputs[1], "ref")
    require_person(person)
    result = _dressed(person, garment, _PLACES.get(options["category"], _PLACES["upper_body"]))
    mark(result)
    return Made((File(jpeg(result)),))


def _dressed(person: Image.Image, garment: Image.Image, place: tuple[float, float, float, float]) -> Image.Image:
    """The garment, without its plain background, on the person."""
    width, height = person.size
    left, top, right, bottom = (round(share * side) for share, side in zip(place, (width, height) * 2, strict=True))
    cut = _without_background(garment)
    cut = ImageOps.contain(cut, (right - left, bottom - top), Image.Resampling.BILINEAR)
    result = person.copy()
    result.alpha_composite(cut, (left + (right - left - cut.width) // 2, top + (bottom - top - cut.height) // 2))
    return result


def _without_background(garment: Image.Image) -> Image.Image:
    """Transparent where it is white, if it was not transparent already; cropped to what is left."""
    garment = ImageOps.contain(garment, (1024, 1024), Image.Resampling.BILINEAR)
    if garment.getchannel("A").getextrema() == (255, 255):
        garment.putalpha(garment.convert("L").point([255] * 240 + [0] * 16))
    return garment.crop(garment.getchannel("A").getbbox() or (0, 0, *garment.size))


def _generation(name: str, categories: frozenset[str], *more: str) -> Feature:
    return Feature(
        name,
        f"/s2s/v2.0/task/{name}",
        (_SKU,),
        file_parameters("src", "ref") | {"garment_category", "change_shoes", *more},
        lambda body: _read(body, categories),
        _paint,
    )


TRYON = (
    _generation("cloth-v4", _CATEGORIES_V4, "filter_multi_person"),
    _generation("cloth-v3", _CATEGORIES),
    _generation("cloth", _CATEGORIES),
)
