"""Pictures from strangers, made safe: decoded whole, upright, sRGB, without metadata. Pure functions.

They decode hostile bytes in C libraries: services call them through `closet_storage.pool`, in a process of its own.
"""

import io
import math
from typing import Any

from PIL import Image, ImageOps

from closet_storage.colours import curve, in_srgb, is_srgb
from closet_storage.decoding import Opened, eight_bits, opened
from closet_storage.picture import Picture, PictureRejected

__all__ = ["Picture", "PictureRejected", "check_result", "fit", "jpeg", "mask", "normalise"]

MAX_BYTES = 10 * 1024 * 1024
MAX_RESULT_BYTES = 32 * 1024 * 1024
LIGHT_BYTES = 9_500_000  # what we make of an input, so that nobody after us finds it too large

_CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
# Ways to encode, the best first; then smaller, a few times.
_JPEG: list[dict[str, Any]] = [{"format": "JPEG", "quality": 92}, {"format": "JPEG", "quality": 85}]
_PNG: list[dict[str, Any]] = [{"format": "PNG", "compress_level": 4}]
_SIZES = 4
_OPAQUE = 255
_UNSEEN = 3  # of 255: what hardly shows was meant to be erased
_CLEAR = {"RGBA": (255, 255, 255, 0), "LA": (255, 0)}
_SELECTED = 128  # the darkest grey of a mask that still says: here
_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def normalise(  # noqa: PLR0913, PLR0917  the limits
    data: bytes,
    max_side: int = 4096,
    min_side: int = 384,
    min_long_side: int = 512,
    max_bytes: int = MAX_BYTES,
    grey: bool = False,
) -> Picture:
    """The picture upright, sRGB, at most `max_side` long and 9.5 MB heavy; always encoded anew.

    JPEG stays JPEG; PNG and WebP become PNG if anything shows through them, else JPEG. Of an animation the first frame.
    With `grey` the picture is a mask, whose values count and not how they look: it becomes a grey PNG of its own size.

    Raises:
        PictureRejected: with any of its codes.
    """
    with opened(data, max_bytes) as picture:
        if grey:
            return _selecting(_values(picture), max_bytes)
        image = _upright_srgb(picture, max_side)
        if min(image.size) < min_side or max(image.size) < min_long_side:
            raise PictureRejected(
                "picture_too_small",
                f"The picture is too small: it needs at least {min_long_side} by {min_side} pixels.",
            )
        return _encoded(image, min(max_bytes, LIGHT_BYTES))


def fit(data: bytes, width: int, height: int, max_bytes: int = MAX_RESULT_BYTES) -> Picture:
    """The picture at exactly this size: scaled to cover it, then cropped around the centre.

    Raises:
        PictureRejected: with any of its codes.
    """
    with opened(data, max_bytes) as picture:
        picture.image.load()
        if picture.image.size == (width, height) and (kept := _kept(picture)):
            return kept
        image = ImageOps.fit(_upright_srgb(picture), (width, height), Image.Resampling.LANCZOS)
        return _encoded(image, max_bytes)


def jpeg(data: bytes, max_side: int, max_bytes: int = MAX_BYTES) -> Picture:
    """The picture as JPEG, at most `max_side` long; what shows through is white.

    Raises:
        PictureRejected: with any of its codes.
    """
    with opened(data, max_bytes) as picture:
        image = _upright_srgb(picture, max_side)
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return _encoded(image.convert("RGB"), min(max_bytes, LIGHT_BYTES))


def mask(data: bytes, width: int, height: int, max_bytes: int = MAX_BYTES) -> Picture:
    """A mask in grey, as PNG of exactly this size; what shows through is black.

    Raises:
        PictureRejected: with any of its codes.
    """
    with opened(data, max_bytes) as picture:
        return _grey_png(_values(picture).resize((width, height), Image.Resampling.NEAREST))


def check_result(data: bytes, max_bytes: int = MAX_RESULT_BYTES) -> Picture:
    """The picture, decoded whole to be sure of it; its bytes untouched if they were clean already.

    Metadata is cut out around the pixels where that is enough; only what is not upright, not sRGB or animated is
    encoded anew.

    Raises:
        PictureRejected: with any of its codes.
    """
    with opened(data, max_bytes) as picture:
        picture.image.load()
        return _kept(picture) or _encoded(_upright_srgb(picture), max_bytes)


def _selecting(mask: Image.Image, max_bytes: int) -> Picture:
    """The mask as grey PNG of its own size, if there is anything white in it."""
    if not mask.point([255 * (value >= _SELECTED) for value in range(256)]).getbbox():
        raise PictureRejected(
            "mask_selects_nothing", "The mask selects nothing. Please paint white what is to be changed, on black."
        )
    if len((made := _grey_png(mask)).data) > max_bytes:
        raise PictureRejected("picture_too_large", "The mask holds too much detail to be stored.")
    return made


def _kept(picture: Opened) -> Picture | None:
    """The stored bytes less their metadata, if that shows the same picture; None if it must be encoded anew."""
    container, image = picture.container, picture.image
    if (
        container.is_animated
        or not container.is_closed
        or picture.orientation in _TO_UPRIGHT
        or not is_srgb(image, container.colour)
    ):
        return None
    return Picture(container.pixels, _CONTENT_TYPES[container.kind], *image.size)


def _upright_srgb(picture: Opened, max_side: int | None = None) -> Image.Image:
    """RGB, or RGBA if anything shows through; at most `max_side` long."""
    image = _without_erased(eight_bits(picture, curve(picture.container.colour)))
    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _turned(in_srgb(image, picture.container.colour), picture.orientation)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TO_UPRIGHT[orientation]) if orientation in _TO_UPRIGHT else image


def _values(picture: Opened) -> Image.Image:
    """Grey and upright, with the values as they are, whatever is said about colours; what shows through is black."""
    image = eight_bits(picture)
    if image.mode in {"LA", "RGBA"}:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return _turned(image.convert("L"), picture.orientation)


def _grey_png(image: Image.Image) -> Picture:
    image.info = {}
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return Picture(out.getvalue(), _CONTENT_TYPES["PNG"], *image.size)


def _without_erased(image: Image.Image) -> Image.Image:
    """The colours under what does not show are still in the file, for whoever does not look at its transparency."""
    if image.mode not in _CLEAR:
        return image
    erased = image.getchannel("A").point([255 * (alpha <= _UNSEEN) for alpha in range(256)])
    image = image.copy()
    image.paste(_CLEAR[image.mode], mask=erased)
    return image


def _encoded(image: Image.Image, max_bytes: int) -> Picture:
    """JPEG, or PNG if anything shows through; of lower quality, then smaller, until it is light enough."""
    see_through = image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != _OPAQUE
    # Once more: scaling makes colours of its own where nothing shows.
    image = _without_erased(image) if see_through else image.convert("RGB")
    image.info = {}  # encoders copy comments and profiles from here
    for _ in range(_SIZES):
        for options in _PNG if see_through else _JPEG:
            out = io.BytesIO()
            image.save(out, **options)
            if out.tell() <= max_bytes:
                return Picture(out.getvalue(), _CONTENT_TYPES[options["format"]], *image.size)
        scale = 0.95 * math.sqrt(max_bytes / out.tell())
        size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    raise PictureRejected("picture_too_large", "The picture holds too much detail to be stored.")
