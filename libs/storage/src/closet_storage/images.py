"""Make untrusted pictures safe: decoded whole, upright, sRGB, without metadata. Pure functions.

They decode hostile bytes in C libraries: services call them through `closet_storage.pool`, in a separate process.
"""

import io
import math
from typing import Any

from PIL import Image, ImageOps

from closet_storage.colours import is_srgb, to_srgb, tone_curve
from closet_storage.decoding import OpenedPicture, open_picture, to_eight_bits
from closet_storage.picture import Picture, PictureRejected

__all__ = ["Picture", "PictureRejected", "check_result", "fit", "jpeg", "mask", "normalise"]

MAX_RESULT_BYTES = 32 * 1024 * 1024
MAX_ENCODED_BYTES = 9_500_000  # of a normalised input: the vendor takes less than 10 MB

_CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
# Encoder options, the best quality first. If none is small enough, the picture is scaled down and encoded again.
_JPEG: list[dict[str, Any]] = [{"format": "JPEG", "quality": 92}, {"format": "JPEG", "quality": 85}]
_PNG: list[dict[str, Any]] = [{"format": "PNG", "compress_level": 4}]
_SIZES = 4
_OPAQUE = 255
_MAX_INVISIBLE_ALPHA = 3  # of 255: pixels that hardly show were meant to be erased
_CLEAR = {"RGBA": (255, 255, 255, 0), "LA": (255, 0)}
_MASK_THRESHOLD = 128  # the darkest grey of a mask that still selects
_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def normalise(  # noqa: PLR0913 the limits
    data: bytes,
    *,
    max_bytes: int,
    max_side: int = 4096,
    min_side: int = 384,
    min_long_side: int = 512,
    grey: bool = False,
) -> Picture:
    """Encode the picture anew: upright, sRGB, at most `max_side` pixels long and 9.5 MB large.

    JPEG stays JPEG; PNG and WebP become PNG if they are transparent anywhere, else JPEG. An animation keeps its first
    frame. With `grey` the picture is a mask, whose values matter and not its colours: it becomes a grey PNG of the same
    size.

    Raises:
        PictureRejected: with any of its codes.
    """
    with open_picture(data, max_bytes) as picture:
        if grey:
            return _encode_mask(_grey_values(picture), max_bytes)
        image = _to_upright_srgb(picture, max_side)
        if min(image.size) < min_side or max(image.size) < min_long_side:
            raise PictureRejected(
                "picture_too_small",
                f"The picture is too small: it needs at least {min_long_side} by {min_side} pixels.",
            )
        return _encode(image, min(max_bytes, MAX_ENCODED_BYTES))


def fit(data: bytes, width: int, height: int, max_bytes: int = MAX_RESULT_BYTES) -> Picture:
    """Scale the picture to cover exactly this size, in pixels, and crop it around the centre.

    Raises:
        PictureRejected: with any of its codes.
    """
    with open_picture(data, max_bytes) as picture:
        picture.image.load()
        if picture.image.size == (width, height) and (kept := _without_metadata(picture)):
            return kept
        image = ImageOps.fit(_to_upright_srgb(picture), (width, height), Image.Resampling.LANCZOS)
        return _encode(image, max_bytes)


def jpeg(data: bytes, max_side: int, *, max_bytes: int) -> Picture:
    """Encode the picture as JPEG, at most `max_side` pixels long; transparent pixels become white.

    Raises:
        PictureRejected: with any of its codes.
    """
    with open_picture(data, max_bytes) as picture:
        image = _to_upright_srgb(picture, max_side)
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return _encode(image.convert("RGB"), min(max_bytes, MAX_ENCODED_BYTES))


def mask(data: bytes, width: int, height: int, *, max_bytes: int) -> Picture:
    """Encode a mask as grey PNG of exactly this size, in pixels; transparent pixels become black.

    Raises:
        PictureRejected: with any of its codes.
    """
    with open_picture(data, max_bytes) as picture:
        return _grey_png(_grey_values(picture).resize((width, height), Image.Resampling.NEAREST))


def check_result(data: bytes, max_bytes: int = MAX_RESULT_BYTES) -> Picture:
    """Decode the picture whole and return it without metadata; return the same bytes if they were clean already.

    Metadata is cut out around the pixels where that suffices. A picture that is not upright, not sRGB or animated is
    encoded anew.

    Raises:
        PictureRejected: with any of its codes.
    """
    with open_picture(data, max_bytes) as picture:
        picture.image.load()
        return _without_metadata(picture) or _encode(_to_upright_srgb(picture), max_bytes)


def _encode_mask(mask: Image.Image, max_bytes: int) -> Picture:
    """Encode the mask as grey PNG of the same size, unless it selects nothing."""
    if not mask.point([255 * (value >= _MASK_THRESHOLD) for value in range(256)]).getbbox():
        raise PictureRejected(
            "mask_selects_nothing", "The mask selects nothing. Please paint white what is to be changed, on black."
        )
    if len((made := _grey_png(mask)).data) > max_bytes:
        raise PictureRejected("picture_too_large", "The mask holds too much detail to be stored.")
    return made


def _without_metadata(picture: OpenedPicture) -> Picture | None:
    """Return the original bytes without metadata if they show the same picture; None if it must be encoded anew."""
    container, image = picture.container, picture.image
    if (
        container.is_animated
        or not container.is_closed
        or picture.orientation in _TO_UPRIGHT
        or not is_srgb(image, container.colour)
    ):
        return None
    return Picture(container.pixels, _CONTENT_TYPES[container.kind], *image.size)


def _to_upright_srgb(picture: OpenedPicture, max_side: int | None = None) -> Image.Image:
    """Convert to RGB, or RGBA if the picture has transparency; at most `max_side` pixels long."""
    image = _clear_invisible(to_eight_bits(picture, tone_curve(picture.container.colour)))
    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _turn_upright(to_srgb(image, picture.container.colour), picture.orientation)


def _turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TO_UPRIGHT[orientation]) if orientation in _TO_UPRIGHT else image


def _grey_values(picture: OpenedPicture) -> Image.Image:
    """Convert to grey and upright without applying colour profiles; transparent pixels become black."""
    image = to_eight_bits(picture)
    if image.mode in {"LA", "RGBA"}:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return _turn_upright(image.convert("L"), picture.orientation)


def _grey_png(image: Image.Image) -> Picture:
    image.info = {}
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return Picture(out.getvalue(), _CONTENT_TYPES["PNG"], *image.size)


def _clear_invisible(image: Image.Image) -> Image.Image:
    """Clear the colours of invisible pixels: a reader that ignores transparency would see them."""
    if image.mode not in _CLEAR:
        return image
    erased = image.getchannel("A").point([255 * (alpha <= _MAX_INVISIBLE_ALPHA) for alpha in range(256)])
    image = image.copy()
    image.paste(_CLEAR[image.mode], mask=erased)
    return image


def _encode(image: Image.Image, max_bytes: int) -> Picture:
    """Encode as JPEG, or PNG if transparent; reduce quality, then size, until it has at most `max_bytes`."""
    is_transparent = image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != _OPAQUE
    # Once more: scaling blends colours into invisible pixels.
    image = _clear_invisible(image) if is_transparent else image.convert("RGB")
    image.info = {}  # encoders copy comments and profiles from here
    for _ in range(_SIZES):
        for options in _PNG if is_transparent else _JPEG:
            out = io.BytesIO()
            image.save(out, **options)
            if out.tell() <= max_bytes:
                return Picture(out.getvalue(), _CONTENT_TYPES[options["format"]], *image.size)
        scale = 0.95 * math.sqrt(max_bytes / out.tell())
        size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    raise PictureRejected("picture_too_large", "The picture holds too much detail to be stored.")
