"""Decode untrusted bytes: check the limits first, then give the decoder only what it needs."""

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from PIL import ExifTags, Image

from closet_storage import containers
from closet_storage.containers import Container
from closet_storage.picture import PictureRejected

MAX_PIXELS = 50_000_000
MAX_SCANS = 64  # a progressive JPEG has about ten

Curve = Callable[[float], float]

_END_OF_IMAGE = b"\xff\xd9"
_FILLER = bytes([0x55]) * 4096
_DEEP = 16
_STRIP = 256
_UPRIGHT = 1
_LAST_ORIENTATION = 8

HOW_TO_CONVERT = (
    "Please save the picture as JPEG and send that, or set the camera to JPEG "
    "(on an iPhone: Settings, Camera, Formats, Most Compatible)."
)


@dataclass(frozen=True)
class OpenedPicture:
    """A picture whose pixels are decoded on demand, and what its file says about them."""

    image: Image.Image
    container: Container

    @property
    def orientation(self) -> int:
        """Return the EXIF orientation, 1 (upright) to 8. XMP's is ignored: often it is left from before an edit."""
        exif = Image.Exif()
        try:
            with warnings.catch_warnings(action="ignore"):
                exif.load(self.container.exif)
                value = int(exif.get(ExifTags.Base.Orientation, _UPRIGHT))
        except Exception:  # noqa: BLE001 - broken metadata goes away with the rest of it; the pixels may be fine
            return _UPRIGHT
        return value if _UPRIGHT <= value <= _LAST_ORIENTATION else _UPRIGHT


@contextmanager
def open_picture(data: bytes, max_bytes: int) -> Iterator[OpenedPicture]:
    """Open the picture without decoding its pixels. Any decoder error in the body rejects the picture.

    Raises:
        PictureRejected: with any of its codes.
    """
    try:
        with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
            container = _parse_bounded(data, max_bytes)
            picture = Image.open(io.BytesIO(container.pixels), formats=[container.kind])
        with picture:
            _reject_bomb(picture.size)
            if container.kind == "JPEG" and not container.is_closed:
                _reject_truncated(container.pixels)
            yield OpenedPicture(picture, container)
    except PictureRejected:
        raise
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb_rejection("needs too much memory") from None
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise PictureRejected("picture_damaged", "The picture is damaged and cannot be read whole.") from error


def to_eight_bits(opened: OpenedPicture, curve: Curve | None = None) -> Image.Image:
    """Convert to eight bits per band: L, RGB or CMYK, or LA or RGBA if the picture has transparency.

    `curve` maps values of 0 to 1 and is applied at the depth that the file has.
    """
    image = _to_eight_bits(opened.image, opened.container.depth, curve)
    if not curve or opened.image.mode.startswith("I"):
        return image
    bands = image.split()
    colours = [band for name, band in zip(image.getbands(), bands, strict=True) if name != "A"]
    if low := _low_byte_bands(opened.container):
        table = _curve_table(curve, _DEEP)
        colours = [_apply_curve_to_16_bits(*both, table) for both in zip(colours, low, strict=False)]
    else:
        colours = [band.point(_curve_table(curve, 8)) for band in colours]
    return Image.merge(image.mode, [*colours, *bands[len(colours) :]])


def _to_eight_bits(picture: Image.Image, depth: int, curve: Curve | None) -> Image.Image:
    picture.load()
    key = picture.info.get("transparency")
    if picture.mode.startswith("I"):  # 16 bits of grey; a plain conversion would clip, not scale
        return _scale_deep_grey(picture, key, curve)
    if picture.mode in {"L", "RGB"} and key is not None:
        picture.info["transparency"] = _key_at_eight_bits(key, depth)
        return picture.convert(f"{picture.mode}A")
    if picture.mode in {"L", "LA", "RGB", "RGBA", "CMYK"}:
        return picture
    if picture.has_transparency_data:
        return picture.convert("LA" if picture.mode == "1" else "RGBA")
    return picture.convert("L" if picture.mode == "1" else "RGB")


def _parse_bounded(data: bytes, max_bytes: int) -> Container:
    if len(data) > max_bytes:
        limit = max_bytes // 2**20
        raise PictureRejected(
            "picture_too_large",
            f"The picture is larger than {limit} MB. Please send it in a smaller size, or save it as JPEG.",
        )
    if containers.is_heif(data):
        raise PictureRejected("unsupported_picture_format", f"HEIC and AVIF cannot be read here. {HOW_TO_CONVERT}")
    if containers.sniff(data) is None:
        raise PictureRejected(
            "not_a_picture", "This is not a picture we can read. Please use a JPEG, PNG or WebP file."
        )
    container = containers.parse(data)
    _reject_bomb(container.size)
    if container.scans > MAX_SCANS:
        raise _bomb_rejection("is built to keep a reader busy")
    return container


def _bomb_rejection(what: str) -> PictureRejected:
    return PictureRejected("decompression_bomb", f"The picture {what}. Please use a smaller, plain one.")


def _reject_bomb(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _bomb_rejection(f"has more than {MAX_PIXELS // 1_000_000} million pixels")


def _reject_truncated(pixels: bytes) -> None:
    """Reject a JPEG without an end marker if pixels are missing.

    The decoder fills missing pixels from the bytes that follow, so different bytes decode to different pixels.
    """
    bare = pixels.removesuffix(_END_OF_IMAGE)
    if _pixel_digest(pixels) != _pixel_digest(bare + _FILLER + _END_OF_IMAGE):
        raise PictureRejected("picture_damaged", "The picture is damaged and cannot be read whole.")


def _pixel_digest(pixels: bytes) -> bytes:
    with Image.open(io.BytesIO(pixels), formats=["JPEG"]) as picture:
        return sha256(picture.tobytes()).digest()


def _scale_deep_grey(picture: Image.Image, key: int | None, curve: Curve | None) -> Image.Image:
    values = picture.convert("I")
    grey = values.point(_curve_table(curve, _DEEP), "L")
    if key is None:
        return grey
    grey.putalpha(values.point([0 if value == key else 255 for value in range(1 << _DEEP)], "L"))
    return grey


def _low_byte_bands(container: Container) -> Sequence[Image.Image]:
    """Return the low byte of each 16-bit band if the decoder yields only the high byte, else nothing."""
    if container.depth != _DEEP:
        return ()
    with Image.open(io.BytesIO(container.pixels), formats=[container.kind]) as picture:
        order = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}.get(str(picture.tile[0].args))
        if not order:
            return ()
        # With the byte order swapped, the decoder takes the low bytes for the high ones.
        picture.tile = [tile._replace(args=order) for tile in picture.tile]
        return picture.split()


def _apply_curve_to_16_bits(high: Image.Image, low: Image.Image, table: list[int]) -> Image.Image:
    """Map 16-bit values, given as high and low bytes, to eight bits; strip by strip to save memory."""
    made = Image.new("L", high.size)
    for top in range(0, high.height, _STRIP):
        box = (0, top, high.width, min(top + _STRIP, high.height))
        both = bytearray(2 * high.width * (box[3] - top))
        both[0::2], both[1::2] = low.crop(box).tobytes(), high.crop(box).tobytes()
        values = Image.frombytes("I;16", (high.width, box[3] - top), bytes(both)).convert("I")
        made.paste(values.point(table, "L"), box)
    return made


def _curve_table(curve: Curve | None, depth: int) -> list[int]:
    """Return the eight-bit value of each value of this depth."""
    most = (1 << depth) - 1
    return [round(255 * (curve(value / most) if curve else value / most)) for value in range(most + 1)]


def _key_at_eight_bits(key: int | tuple[int, ...], depth: int) -> int | tuple[int, ...]:
    """Return the transparent value at eight bits, as the decoder compares it; the file gives it at its own depth."""
    if isinstance(key, tuple):
        return tuple(value >> max(depth - 8, 0) for value in key)
    return key * 255 // ((1 << min(depth, 8)) - 1)
