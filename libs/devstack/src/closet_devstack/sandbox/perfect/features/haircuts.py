"""The hairstyles in the vendor's list, and how hair is drawn."""

from itertools import product

from PIL import Image, ImageDraw

from closet_devstack.sandbox.perfect.features.feature import Template
from closet_devstack.sandbox.perfect.pictures.marks import jpeg

Colour = tuple[int, int, int]

HEAD = (0.38, 0.05, 0.62, 0.27)
"""Where a head is taken to be, in shares of the picture: left, top, right, bottom."""

_COLOURS: dict[str, Colour] = {
    "Black": (28, 24, 24),
    "Brown": (92, 58, 38),
    "Copper": (170, 84, 42),
    "Blond": (216, 184, 122),
}
_CUTS = (  # title, category, length in shares of the head, curls
    ("Buzz", "Short", 0.05, 0),
    ("Pixie", "Short", 0.25, 0),
    ("Crop", "Short", 0.30, 4),
    ("Quiff", "Short", 0.20, 2),
    ("Bob", "Medium", 0.70, 0),
    ("Lob", "Medium", 0.90, 0),
    ("Shag", "Medium", 0.80, 6),
    ("Wavy Bob", "Medium", 0.75, 5),
    ("Straight", "Long", 1.60, 0),
    ("Layers", "Long", 1.40, 3),
    ("Beach Waves", "Long", 1.50, 7),
    ("Ringlets", "Curly", 1.10, 10),
)

TEMPLATES = tuple(
    Template(
        f"{title.lower().replace(' ', '_')}_{colour.lower()}",
        f"{title}, {colour}",
        category,
        {"colour": shade, "length": length, "curls": curls},
    )
    for (title, category, length, curls), (colour, shade) in product(_CUTS, _COLOURS.items())
)


def draw_hair(image: Image.Image, colour: Colour, length: float, curls: int) -> None:
    """On top of the head, and down its sides."""
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = (share * side for share, side in zip(HEAD, image.size * 2, strict=True))
    height, lock = bottom - top, (right - left) * 0.18
    crown, ends = top + height * 0.45, top + height * (0.3 + length)
    draw.chord((left, top, right, top + height * 0.9), 180, 360, colour)
    for x in (left, right - lock):
        draw.rounded_rectangle((x, crown - lock, x + lock, max(ends, crown)), lock / 2, colour)
        for curl in range(curls):
            y = crown + (max(ends, crown) - crown) * curl / curls
            draw.ellipse((x - lock / 3, y, x + lock * 4 / 3, y + lock), colour)


def thumb(template: Template) -> bytes:
    """A head with this hair."""
    image = Image.new("RGBA", (320, 320), (236, 232, 228, 255))
    left, top, right, bottom = (share * 320 for share in HEAD)
    ImageDraw.Draw(image).ellipse((left, top + 6, right, bottom), (224, 188, 163))
    draw_hair(image, template.look["colour"], template.look["length"], template.look["curls"])
    box = tuple(round(edge * 320) for edge in (0.25, 0, 0.75, 0.5))
    return jpeg(image.crop((box[0], box[1], box[2], box[3])).resize((256, 256)))
