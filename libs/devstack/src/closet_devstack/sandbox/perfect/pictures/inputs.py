"""Input pictures: read as strictly as the vendor's engines read them."""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageOps, ImageStat

from closet_devstack.sandbox.perfect.errors import EngineError

MAX_BYTES = 10 * 1024 * 1024
_FEATURELESS = 4.0
"""A picture whose lightness varies less than this shows nobody."""
_UNREADABLE: Mapping[str, str] = {
    "src": "error_decode_image",
    "ref": "error_invalid_ref",
    "msk": "error_decode_mask",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine takes: kinds of files, and pixels on the sides; `longest` None: it scales by itself."""

    kinds: tuple[str, ...] = ("JPEG", "PNG")
    longest: int | None = 4096
    long_at_least: int = 512
    short_at_least: int = 384


USUAL = Limits()


def open_input(data: bytes, role: str = "src", limits: Limits = USUAL) -> Image.Image:
    """The picture, upright, in RGBA.

    Raises:
        EngineError: too large, too small, or not of the right kind.
    """
    if len(data) > MAX_BYTES:
        raise EngineError("exceed_max_filesize")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is looked at below
            image = Image.open(io.BytesIO(data), formats=limits.kinds)
        _check_size(image.size, limits)
        return ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise EngineError(_UNREADABLE[role]) from None


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    if limits.longest is not None and max(size) > limits.longest:
        raise EngineError("error_exceed_max_image_size")
    if max(size) < limits.long_at_least or min(size) < limits.short_at_least:
        raise EngineError("error_below_min_image_size")


def require_person(image: Image.Image) -> None:
    """Raises EngineError when the picture is one flat surface."""
    if ImageStat.Stat(image.convert("L")).stddev[0] < _FEATURELESS:
        raise EngineError("error_no_face", "No face was found in the picture")
