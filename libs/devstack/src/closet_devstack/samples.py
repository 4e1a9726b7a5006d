"""Sample pictures, drawn: nobody's photo, no licence, the same bytes every time."""

import io
from functools import cache
from pathlib import Path

from PIL import ExifTags, Image, ImageDraw, ImageFilter

_SKIN, _HAIR, _SHIRT, _TROUSERS = (224, 188, 163), (70, 48, 36), (176, 184, 192), (52, 60, 82)
_DRESS, _TRIM = (178, 34, 68), (250, 214, 165)


def person_picture(width: int = 960, height: int = 1280) -> Image.Image:
    """A figure standing in a room, upright."""
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    image = Image.blend(image, Image.new("RGB", image.size, (206, 214, 220)), 0.8)
    draw = ImageDraw.Draw(image)

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return left * width, top * height, right * width, bottom * height

    draw.rectangle(box(0, 0.9, 1, 1), (150, 130, 110))
    draw.rounded_rectangle(box(0.37, 0.60, 0.49, 0.95), 20, _TROUSERS)
    draw.rounded_rectangle(box(0.51, 0.60, 0.63, 0.95), 20, _TROUSERS)
    draw.rounded_rectangle(box(0.24, 0.31, 0.33, 0.62), 30, _SKIN)
    draw.rounded_rectangle(box(0.67, 0.31, 0.76, 0.62), 30, _SKIN)
    draw.rectangle(box(0.46, 0.24, 0.54, 0.32), _SKIN)
    draw.rounded_rectangle(box(0.31, 0.30, 0.69, 0.64), 40, _SHIRT)
    draw.ellipse(box(0.38, 0.06, 0.62, 0.26), _HAIR)
    draw.ellipse(box(0.40, 0.09, 0.60, 0.27), _SKIN)
    for left in (0.44, 0.53):
        draw.ellipse(box(left, 0.16, left + 0.03, 0.175), (40, 40, 50))
    draw.arc(box(0.45, 0.19, 0.55, 0.235), 20, 160, (150, 60, 60), 5)
    return image.filter(ImageFilter.GaussianBlur(0.8))


def garment_picture(width: int = 800, height: int = 1120) -> Image.Image:
    """A dress on nothing: transparent around it."""
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)

    def shape(colour: tuple[int, int, int], *shares: tuple[float, float]) -> None:
        draw.polygon([(x * width, y * height) for x, y in shares], colour)

    shape(_DRESS, (0.26, 0.02), (0.02, 0.28), (0.16, 0.36), (0.30, 0.22))
    shape(_DRESS, (0.74, 0.02), (0.98, 0.28), (0.84, 0.36), (0.70, 0.22))
    shape(_DRESS, (0.26, 0.02), (0.40, 0.07), (0.60, 0.07), (0.74, 0.02), (0.72, 0.45), (0.28, 0.45))
    shape(_DRESS, (0.28, 0.45), (0.72, 0.45), (0.88, 0.98), (0.12, 0.98))
    shape(_TRIM, (0.28, 0.44), (0.72, 0.44), (0.72, 0.48), (0.28, 0.48))
    for row in range(6):
        for column in range(5):
            x, y = width * (0.30 + 0.10 * column), height * (0.55 + 0.07 * row)
            draw.ellipse((x - 7, y - 7, x + 7, y + 7), _TRIM)
    return image


@cache
def person_jpeg() -> bytes:
    """As a phone stores it: turned on its side with EXIF orientation 6, and with the place where it was taken."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Closet"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (48.0, 51.0, 29.6),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: (2.0, 17.0, 40.2),
        }
    )
    return _saved(person_picture().transpose(Image.Transpose.ROTATE_90), "JPEG", quality=88, exif=exif)


@cache
def garment_png() -> bytes:
    return _saved(garment_picture(), "PNG", optimize=True)


@cache
def blank_jpeg() -> bytes:
    """One flat surface: the vendor's sandbox finds no person in it."""
    return _saved(Image.new("RGB", (768, 1024), (128, 128, 128)), "JPEG", quality=88)


def write_samples(folder: Path) -> tuple[Path, Path]:
    """The person and the garment as files."""
    folder.mkdir(parents=True, exist_ok=True)
    person, garment = folder / "person.jpg", folder / "garment.png"
    person.write_bytes(person_jpeg())
    garment.write_bytes(garment_png())
    return person, garment


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
