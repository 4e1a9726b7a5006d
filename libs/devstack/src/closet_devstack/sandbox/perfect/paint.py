"""Pictures made by drawing instead of by a model, plainly marked."""

import io
import warnings

from PIL import ExifTags, Image, ImageDraw, ImageFont, ImageOps, ImageStat

from closet_devstack.sandbox.perfect.errors import EngineError

MAX_BYTES = 10 * 1024 * 1024
_MAX_SIDE, _MIN_LONG, _MIN_SHORT = 4096, 512, 384
_FEATURELESS = 4.0
"""A picture whose lightness varies less than this shows nobody."""

Place = tuple[float, float, float, float]


def open_input(data: bytes, *, garment: bool = False) -> Image.Image:
    """The picture, upright, in RGBA.

    Raises:
        EngineError: too large, too small, or no JPEG or PNG.
    """
    if len(data) > MAX_BYTES:
        raise EngineError("exceed_max_filesize")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is looked at below
            image = Image.open(io.BytesIO(data), formats=["JPEG", "PNG"])
        _check_size(image.size)
        return ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise EngineError("error_invalid_ref" if garment else "error_decode_image") from None


def _check_size(size: tuple[int, int]) -> None:
    if max(size) > _MAX_SIDE:
        raise EngineError("error_exceed_max_image_size")
    if max(size) < _MIN_LONG or min(size) < _MIN_SHORT:
        raise EngineError("error_below_min_image_size")


def require_person(image: Image.Image) -> None:
    """Raises EngineError when the picture is one flat surface."""
    if ImageStat.Stat(image.convert("L")).stddev[0] < _FEATURELESS:
        raise EngineError("error_no_face", "No face was found in the picture")


def compose(person: Image.Image, garment: Image.Image, place: Place) -> Image.Image:
    """The garment, without its plain background, on the person."""
    width, height = person.size
    left, top, right, bottom = (round(share * side) for share, side in zip(place, (width, height) * 2, strict=True))
    cut = _without_background(garment)
    cut = ImageOps.contain(cut, (right - left, bottom - top), Image.Resampling.BILINEAR)
    result = person.copy()
    result.alpha_composite(cut, (left + (right - left - cut.width) // 2, top + (bottom - top - cut.height) // 2))
    mark(result)
    return result


def _without_background(garment: Image.Image) -> Image.Image:
    """Transparent where it is white, if it was not transparent already; cropped to what is left."""
    garment = ImageOps.contain(garment, (1024, 1024), Image.Resampling.BILINEAR)
    if garment.getchannel("A").getextrema() == (255, 255):
        garment.putalpha(garment.convert("L").point([255] * 240 + [0] * 16))
    return garment.crop(garment.getchannel("A").getbbox() or (0, 0, *garment.size))


def mark(image: Image.Image) -> None:
    """Write across it what it is."""
    band = max(24, image.height // 16)
    strip = Image.new("RGBA", (image.width, band), (20, 20, 30, 200))
    font = ImageFont.load_default(band * 0.6)
    ImageDraw.Draw(strip).text((image.width / 2, band / 2), "SANDBOX", "white", font, anchor="mm")
    image.alpha_composite(strip, (0, image.height - band))


def encode(image: Image.Image) -> bytes:
    """A JPEG without metadata."""
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=90)
    return out.getvalue()


def with_metadata(picture: bytes) -> bytes:
    """The same picture, and EXIF that tells where it comes from."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = "sandbox"
    Image.open(io.BytesIO(picture)).save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()


def fixed() -> bytes:
    """A small result that needs no inputs."""
    image = Image.new("RGBA", (384, 512), (190, 205, 220, 255))
    draw = ImageDraw.Draw(image)
    draw.ellipse((142, 60, 242, 180), (225, 190, 165, 255))
    draw.rounded_rectangle((92, 190, 292, 420), 40, (120, 60, 90, 255))
    mark(image)
    return encode(image)
