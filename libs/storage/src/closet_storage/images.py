"""Pictures from strangers, made safe: decoded whole, upright, sRGB, without metadata. Pure functions.

They decode hostile bytes in C libraries: services call them through `closet_storage.pool`, in a process of its own.
"""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image, ImageCms, ImageOps

from closet_storage import containers
from closet_storage.picture import Picture, PictureRejected

__all__ = ["Picture", "PictureRejected", "check_result", "fit", "jpeg", "mask", "normalise"]

MAX_BYTES = 10 * 1024 * 1024
MAX_RESULT_BYTES = 32 * 1024 * 1024
LIGHT_BYTES = 9_500_000  # what we make of an input, so that nobody after us finds it too large
MAX_PIXELS = 50_000_000
MAX_SCANS = 64  # a progressive JPEG has about ten

_CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
# Ways to encode, the best first; then smaller, a few times.
_JPEG: list[dict[str, Any]] = [{"format": "JPEG", "quality": 92}, {"format": "JPEG", "quality": 85}]
_PNG: list[dict[str, Any]] = [{"format": "PNG", "compress_level": 4}]
_SIZES = 4
_OPAQUE = 255
_ORIENTATION = 0x0112
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
    with _opened(data, max_bytes) as picture:
        if grey:
            return _grey(picture, max_bytes)
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
    with _opened(data, max_bytes) as picture:
        picture.load()
        if picture.size == (width, height) and (kept := _kept(picture, data)):
            return kept
        image = ImageOps.fit(_upright_srgb(picture), (width, height), Image.Resampling.LANCZOS)
        return _encoded(image, max_bytes)


def jpeg(data: bytes, max_side: int, max_bytes: int = MAX_BYTES) -> Picture:
    """The picture as JPEG, at most `max_side` long; what shows through is white.

    Raises:
        PictureRejected: with any of its codes.
    """
    with _opened(data, max_bytes) as picture:
        image = _upright_srgb(picture, max_side)
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return _encoded(image.convert("RGB"), min(max_bytes, LIGHT_BYTES))


def mask(data: bytes, width: int, height: int, max_bytes: int = MAX_BYTES) -> Picture:
    """A mask in grey, as PNG of exactly this size; what shows through is black.

    Raises:
        PictureRejected: with any of its codes.
    """
    with _opened(data, max_bytes) as picture:
        image = _upright_srgb(picture)
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
        out = io.BytesIO()
        image.convert("L").resize((width, height), Image.Resampling.NEAREST).save(out, "PNG", optimize=True)
        return Picture(out.getvalue(), "image/png", width, height)


def check_result(data: bytes, max_bytes: int = MAX_RESULT_BYTES) -> Picture:
    """The picture, decoded whole to be sure of it; its bytes untouched if they were clean already.

    Metadata is cut out around the pixels where that is enough; only what is not upright, not sRGB or animated is
    encoded anew.

    Raises:
        PictureRejected: with any of its codes.
    """
    with _opened(data, max_bytes) as picture:
        picture.load()
        return _kept(picture, data) or _encoded(_upright_srgb(picture), max_bytes)


@contextmanager
def _opened(data: bytes, max_bytes: int) -> Iterator[Image.Image]:
    """The picture, its pixels not decoded yet; whatever a decoder trips over in the body is the picture's fault."""
    if len(data) > max_bytes:
        raise PictureRejected("picture_too_large", f"The picture is larger than {max_bytes // 2**20} MB.")
    kind = containers.sniff(data)
    if kind is None:
        raise PictureRejected(
            "not_a_picture", "This is not a picture we can read. Please use a JPEG, PNG or WebP file."
        )
    _refuse_bomb(containers.webp_size(data) if kind == "WEBP" else (0, 0))
    if kind == "JPEG" and containers.jpeg_scans(data) > MAX_SCANS:
        raise _bomb("is built to keep a reader busy")
    try:
        with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
            picture = Image.open(io.BytesIO(data), formats=[kind])
        with picture:
            _refuse_bomb(picture.size)
            yield picture
    except PictureRejected:
        raise
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb("needs too much memory") from None
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise PictureRejected("picture_damaged", "The picture is damaged and cannot be read whole.") from error


def _bomb(what: str) -> PictureRejected:
    return PictureRejected("decompression_bomb", f"The picture {what}. Please use a smaller, plain one.")


def _refuse_bomb(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _bomb(f"has more than {MAX_PIXELS // 1_000_000} million pixels")


def _kept(picture: Image.Image, data: bytes) -> Picture | None:
    """The stored bytes less their metadata, if that shows the same picture; None if it must be encoded anew."""
    if _orientation(picture) in _TO_UPRIGHT or picture.mode == "CMYK" or _profile(picture):
        return None
    clean = containers.strip(data)
    content_type = _CONTENT_TYPES[containers.sniff(data) or ""]
    return None if clean is None else Picture(clean, content_type, *picture.size)


def _upright_srgb(picture: Image.Image, max_side: int | None = None) -> Image.Image:
    """RGB, or RGBA if anything shows through; at most `max_side` long."""
    picture.load()
    orientation, profile = _orientation(picture), _profile(picture)
    image = _eight_bit(picture)
    if max_side and max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    image = _in_srgb(image, profile)
    if orientation in _TO_UPRIGHT:
        image = image.transpose(_TO_UPRIGHT[orientation])
    return image


def _grey(picture: Image.Image, max_bytes: int) -> Picture:
    """The values as they are, whatever a profile says about colours; what shows through is black."""
    picture.load()
    orientation, image = _orientation(picture), _eight_bit(picture)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    image = image.convert("L")
    if orientation in _TO_UPRIGHT:
        image = image.transpose(_TO_UPRIGHT[orientation])
    image.info = {}
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    if out.tell() > max_bytes:
        raise PictureRejected("picture_too_large", "The mask holds too much detail to be stored.")
    return Picture(out.getvalue(), _CONTENT_TYPES["PNG"], *image.size)


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Full colours of eight bits: L, CMYK and RGB as they are (for their profiles), all else as RGB or RGBA."""
    if picture.mode.startswith("I"):  # 16 bits of grey; a plain conversion would clip, not scale
        return picture.convert("I").point(lambda value: value / 256).convert("L")
    if picture.has_transparency_data:
        return picture if picture.mode == "RGBA" else picture.convert("RGBA")
    return picture if picture.mode in {"L", "RGB", "CMYK"} else picture.convert("RGB")


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken metadata goes away with the rest of it; the pixels may be fine
        return 1


def _profile(picture: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The colour profile, unless it is sRGB or broken."""
    if not (icc := picture.info.get("icc_profile")):
        return None
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(icc))
        return None if ImageCms.getProfileDescription(profile).startswith("sRGB") else profile
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _in_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile:
        try:
            srgb = ImageCms.createProfile("sRGB")
            if converted := ImageCms.profileToProfile(image, profile, srgb, outputMode=mode):
                return converted
        except ImageCms.PyCMSError:  # a profile for another kind of picture: do without it
            pass
    return image.convert(mode)


def _encoded(image: Image.Image, max_bytes: int) -> Picture:
    """JPEG, or PNG if anything shows through; of lower quality, then smaller, until it is light enough."""
    see_through = image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != _OPAQUE
    image = image if see_through else image.convert("RGB")
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
