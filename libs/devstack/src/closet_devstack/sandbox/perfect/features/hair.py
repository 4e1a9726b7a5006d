"""Hairstyle: from a picture of somebody else's, or from one of the vendor's templates."""

from collections.abc import Sequence

from PIL import Image, ImageStat

from closet_devstack.sandbox.perfect.errors import invalid
from closet_devstack.sandbox.perfect.features.feature import Feature, File, JsonObject, Made, Order, Reference, Sku
from closet_devstack.sandbox.perfect.features.haircuts import HEAD, TEMPLATES, Colour, draw_hair, thumb
from closet_devstack.sandbox.perfect.features.reading import choice, file_parameters, optional_picture, picture
from closet_devstack.sandbox.perfect.pictures.inputs import Limits, open_input, require_person
from closet_devstack.sandbox.perfect.pictures.marks import jpeg, mark

_SKU = Sku("AI Hairstyle Generator", 2)
_LIMITS = Limits(kinds=("JPEG",), longest=1024, long_at_least=256, short_at_least=256)
_LOOKS = {template.id: template.look for template in TEMPLATES}


def _read(body: JsonObject) -> Order:
    source, reference = picture(body, "src"), optional_picture(body, "ref")
    template, keep_colour = body.get("template_id"), _keeps_colour(body)
    if (reference is None) == (template is None):
        raise invalid("exactly one of ref_file_url, ref_file_id and template_id is required")
    if template is not None and template not in _LOOKS:
        raise invalid("template_id is none of the list's")
    references: tuple[Reference, ...] = (source, reference) if reference else (source,)
    return Order(references, {"template_id": template, "keep_colour": keep_colour}, _SKU.units)


def _keeps_colour(body: JsonObject) -> bool:
    """Whether the hair stays of the person's own colour, which only a template leaves open."""
    if body.get("hair_color") is None:
        return False
    if body.get("template_id") is None:
        raise invalid("hair_color goes with a template only")
    return choice(body, "hair_color", ("ref", "src")) == "src"


def _paint(inputs: Sequence[bytes], options: JsonObject) -> Made:
    person = open_input(inputs[0], limits=_LIMITS)
    require_person(person)
    look = _LOOKS[options["template_id"]] if len(inputs) == 1 else _seen_in(open_input(inputs[1], "ref", _LIMITS))
    colour = _colour_on_top(person) if options["keep_colour"] else look["colour"]
    draw_hair(person, colour, look["length"], look["curls"])
    mark(person)
    return Made((File(jpeg(person)),))


def _seen_in(reference: Image.Image) -> JsonObject:
    return {"colour": _colour_on_top(reference), "length": 0.5, "curls": 0}


def _colour_on_top(image: Image.Image) -> Colour:
    """The mean colour of where hair is on most pictures."""
    left, top, right, _ = HEAD
    box = (left * image.width, top * image.height, right * image.width, (top + 0.05) * image.height)
    red, green, blue = ImageStat.Stat(image.crop(box).convert("RGB")).mean
    return round(red), round(green), round(blue)


HAIR = Feature(
    "hair-transfer",
    "/s2s/v2.1/task/hair-transfer",
    (_SKU,),
    file_parameters("src", "ref") | {"template_id", "hair_color"},
    _read,
    _paint,
    TEMPLATES,
    thumb,
)
