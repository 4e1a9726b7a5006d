"""Try-on: a garment on a person. Three generations of the same engine."""

from collections.abc import Sequence

from closet_devstack.sandbox.perfect.features.feature import Feature, JsonObject, Order
from closet_devstack.sandbox.perfect.features.reading import choice, flag, picture_url
from closet_devstack.sandbox.perfect.paint import compose, encode, open_input, require_person

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
    urls = (picture_url(body, "src"), picture_url(body, "ref"))
    category = choice(body, "garment_category", categories)
    return Order(urls, {"category": category, "change_shoes": flag(body, "change_shoes", default=True)})


def _paint(pictures: Sequence[bytes], options: JsonObject) -> list[bytes]:
    person, garment = open_input(pictures[0]), open_input(pictures[1], garment=True)
    require_person(person)
    place = _PLACES.get(options["category"], _PLACES["upper_body"])
    return [encode(compose(person, garment, place))]


def _generation(name: str, categories: frozenset[str]) -> Feature:
    path, description = f"/s2s/v2.0/task/{name}", "AI Clothes virtual try-on"
    return Feature(name, path, description, 2, lambda body: _read(body, categories), _paint)


TRYON = (
    _generation("cloth-v4", _CATEGORIES_V4),
    _generation("cloth-v3", _CATEGORIES),
    _generation("cloth", _CATEGORIES),
)
