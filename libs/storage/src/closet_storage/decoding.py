"""From a stranger's bytes to pixels: bounds first, then the decoder, and only on what it needs."""

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
class Opened:
    """A picture whose pixels are decoded when they are asked for, and what its file says about them."""

    image: Image.Image
    container: Container

    @property
    def orientation(self) -> int:
        """EXIF's, 1 to 8; 1 is upright. No other metadata turns a picture: XMP's is often left from before an edit."""
        exif = Image.Exif()
        try:
            with warnings.catch_warnings(action="ignore"):
                exif.load(self.container.exif)
                value = int(exif.get(ExifTags.Base.Orientation, _UPRIGHT))
        except Exception:  # noqa: BLE001 - broken metadata goes away with the rest of it; the pixels may be fine
            return _UPRIGHT
        return value if _UPRIGHT <= value <= _LAST_ORIENTATION else _UPRIGHT


@contextmanager
def opened(data: bytes, max_bytes: int) -> Iterator[Opened]:
    """The picture, its pixels not decoded yet; whatever a decoder trips over in the body is the picture's fault.

    Raises:
        PictureRejected: with any of its codes.
    """
    try:
        with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
            container = _container(data, max_bytes)
            picture = Image.open(io.BytesIO(container.pixels), formats=[container.kind])
        with picture:
            _refuse_bomb(picture.size)
            if container.kind == "JPEG" and not container.is_closed:
                _refuse_cut(container.pixels)
            yield Opened(picture, container)
    except PictureRejected:
        raise
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb("needs too much memory") from None
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise PictureRejected("picture_damaged", "The picture is damaged and cannot be read whole.") from error


def eight_bits(opened: Opened, curve: Curve | None = None) -> Image.Image:
    """Full colours of eight bits: L, RGB or CMYK, or LA or RGBA where something shows through.

    `curve` changes values of 0 to 1 while they still have the depth that they have in the file.
    """
    image = _eight_bits(opened.image, opened.container.depth, curve)
    if not curve or opened.image.mode.startswith("I"):
        return image
    bands = image.split()
    colours = [band for name, band in zip(image.getbands(), bands, strict=True) if name != "A"]
    if low := _low_bytes(opened.container):
        table = _table(curve, _DEEP)
        colours = [_curved_deep(*both, table) for both in zip(colours, low, strict=False)]
    else:
        colours = [band.point(_table(curve, 8)) for band in colours]
    return Image.merge(image.mode, [*colours, *bands[len(colours) :]])


def _eight_bits(picture: Image.Image, depth: int, curve: Curve | None) -> Image.Image:
    picture.load()
    key = picture.info.get("transparency")
    if picture.mode.startswith("I"):  # 16 bits of grey; a plain conversion would clip, not scale
        return _deep_grey(picture, key, curve)
    if picture.mode in {"L", "RGB"} and key is not None:
        picture.info["transparency"] = _at_eight_bits(key, depth)
        return picture.convert(f"{picture.mode}A")
    if picture.mode in {"L", "LA", "RGB", "RGBA", "CMYK"}:
        return picture
    if picture.has_transparency_data:
        return picture.convert("LA" if picture.mode == "1" else "RGBA")
    return picture.convert("L" if picture.mode == "1" else "RGB")


def _container(data: bytes, max_bytes: int) -> Container:
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
    container = containers.take_apart(data)
    _refuse_bomb(container.size)
    if container.scans > MAX_SCANS:
        raise _bomb("is built to keep a reader busy")
    return container


def _bomb(what: str) -> PictureRejected:
    return PictureRejected("decompression_bomb", f"The picture {what}. Please use a smaller, plain one.")


def _refuse_bomb(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _bomb(f"has more than {MAX_PIXELS // 1_000_000} million pixels")


def _refuse_cut(pixels: bytes) -> None:
    """Refuse a JPEG without an end of which something is missing.

    Then its decoder makes up the rest from whatever follows: something else where something else follows.
    """
    bare = pixels.removesuffix(_END_OF_IMAGE)
    if _digest(pixels) != _digest(bare + _FILLER + _END_OF_IMAGE):
        raise PictureRejected("picture_damaged", "The picture is damaged and cannot be read whole.")


def _digest(pixels: bytes) -> bytes:
    with Image.open(io.BytesIO(pixels), formats=["JPEG"]) as picture:
        return sha256(picture.tobytes()).digest()


def _deep_grey(picture: Image.Image, key: int | None, curve: Curve | None) -> Image.Image:
    values = picture.convert("I")
    grey = values.point(_table(curve, _DEEP), "L")
    if key is None:
        return grey
    grey.putalpha(values.point([0 if value == key else 255 for value in range(1 << _DEEP)], "L"))
    return grey


def _low_bytes(container: Container) -> Sequence[Image.Image]:
    """Of 16 bits the lower eight of each colour, where the decoder itself gives the upper ones; else nothing."""
    if container.depth != _DEEP:
        return ()
    with Image.open(io.BytesIO(container.pixels), formats=[container.kind]) as picture:
        order = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}.get(str(picture.tile[0].args))
        if not order:
            return ()
        # Read as if the bytes came in the other order, what it takes for the upper ones are the lower ones.
        picture.tile = [tile._replace(args=order) for tile in picture.tile]
        return picture.split()


def _curved_deep(high: Image.Image, low: Image.Image, table: list[int]) -> Image.Image:
    """Eight bits from the upper and the lower ones of 16, a strip at a time: whole they would take much memory."""
    made = Image.new("L", high.size)
    for top in range(0, high.height, _STRIP):
        box = (0, top, high.width, min(top + _STRIP, high.height))
        both = bytearray(2 * high.width * (box[3] - top))
        both[0::2], both[1::2] = low.crop(box).tobytes(), high.crop(box).tobytes()
        values = Image.frombytes("I;16", (high.width, box[3] - top), bytes(both)).convert("I")
        made.paste(values.point(table, "L"), box)
    return made


def _table(curve: Curve | None, depth: int) -> list[int]:
    """What each value of this depth becomes at eight bits."""
    most = (1 << depth) - 1
    return [round(255 * (curve(value / most) if curve else value / most)) for value in range(most + 1)]


def _at_eight_bits(key: int | tuple[int, ...], depth: int) -> int | tuple[int, ...]:
    """The value that shows through, which the file gives in its own depth and the decoder compares at eight bits."""
    if isinstance(key, tuple):
        return tuple(value >> max(depth - 8, 0) for value in key)
    return key * 255 // ((1 << min(depth, 8)) - 1)
