"""What is on every result, and how it becomes bytes."""

import io

from PIL import ExifTags, Image, ImageDraw, ImageFont


def mark(image: Image.Image) -> None:
    """Write across it what it is."""
    band = max(24, image.height // 16)
    strip = Image.new("RGBA", (image.width, band), (20, 20, 30, 200))
    font = ImageFont.load_default(band * 0.6)
    ImageDraw.Draw(strip).text((image.width / 2, band / 2), "SANDBOX", "white", font, anchor="mm")
    image.alpha_composite(strip, (0, image.height - band))


def jpeg(image: Image.Image) -> bytes:
    """Without metadata."""
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=90)
    return out.getvalue()


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def with_metadata(picture: bytes) -> bytes:
    """The same picture, and EXIF that tells where it comes from."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = "sandbox"
    Image.open(io.BytesIO(picture)).save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()


def fixed(size: tuple[int, int] = (384, 512)) -> bytes:
    """A small result that needs no inputs."""
    image = Image.new("RGBA", size, (190, 205, 220, 255))
    draw = ImageDraw.Draw(image)
    width, height = size
    draw.ellipse((width * 0.37, height * 0.12, width * 0.63, height * 0.35), (225, 190, 165, 255))
    draw.rounded_rectangle((width * 0.24, height * 0.37, width * 0.76, height * 0.82), 40, (120, 60, 90, 255))
    mark(image)
    return jpeg(image)
