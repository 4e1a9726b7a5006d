"""What a prompt looks like to one who cannot paint: colours and shapes that belong to its words, and the words."""

import colorsys
import textwrap
from random import Random

from PIL import Image, ImageDraw, ImageFont, ImageOps

from closet_devstack.sandbox.perfect.dice import dice

Size = tuple[int, int]
Colour = tuple[int, int, int]

_SHAPES = 9
_CAPTION_LETTERS = 160


def imagine(size: Size, prompt: str, *more: object) -> Image.Image:
    """A picture of exactly this size; the same for the same words, another for others."""
    chance = dice(prompt, *more)
    image = _backdrop(size, chance)
    draw = ImageDraw.Draw(image, "RGBA")
    for _ in range(_SHAPES):
        x, y, radius = chance.random() * size[0], chance.random() * size[1], chance.uniform(0.05, 0.2) * min(size)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), (*_colour(chance), 150))
    caption(image, prompt)
    return image


def tint(image: Image.Image, prompt: str) -> Image.Image:
    """The picture in the colours of the words."""
    shades = ImageOps.colorize(image.convert("L"), _colour(dice(prompt), 0.25), "white").convert("RGBA")
    return Image.blend(image, shades, 0.6)


def caption(image: Image.Image, prompt: str) -> None:
    """Write the words into the upper part."""
    letter = max(14, image.width // 36)
    text = textwrap.fill(textwrap.shorten(prompt, _CAPTION_LETTERS, placeholder="..."), 44)
    draw, font = ImageDraw.Draw(image, "RGBA"), ImageFont.load_default(letter)
    box = draw.multiline_textbbox((letter, letter), text, font)
    draw.rectangle((0, 0, image.width, box[3] + letter), (20, 20, 30, 140))
    draw.multiline_text((letter, letter), text, "white", font)


def _backdrop(size: Size, chance: Random) -> Image.Image:
    gradient = Image.linear_gradient("L").rotate(chance.choice((0, 90, 180, 270))).resize(size)
    return ImageOps.colorize(gradient, _colour(chance, 0.35), _colour(chance, 0.95)).convert("RGBA")


def _colour(chance: Random, lightness: float = 0.8) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(chance.random(), 0.55, lightness)
    return round(red * 255), round(green * 255), round(blue * 255)
