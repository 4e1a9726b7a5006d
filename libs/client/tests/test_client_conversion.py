"""What cameras and shops really have arrives as a picture that the gateway takes."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from closet_client import NotAPicture
from closet_client.conversion import LONGEST_SIDE
from closet_contracts.upload import UPLOAD_RULES
from PIL import Image
from pillow_heif import register_heif_opener

from .command import closet_command
from .fake_closet import API_KEY, FakeCloset

register_heif_opener()
RED, BLUE = (200, 30, 30), (30, 30, 200)
STALE_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def halves(width: int = 640, height: int = 480, mode: str = "RGB") -> Image.Image:
    """Red above, blue below."""
    image = Image.new(mode, (width, height), RED)
    image.paste(BLUE, (0, height // 2, width, height))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def rotated_by_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


async def arrived(closet: FakeCloset, picture: bytes) -> Image.Image:
    """What storage was brought."""
    async with closet.client() as client:
        ticket = await client.upload(picture)
    assert closet.asked[-1]["size"] == len(closet.stored[ticket.key]) <= UPLOAD_RULES.max_bytes
    image = Image.open(io.BytesIO(closet.stored[ticket.key]))
    image.load()
    assert Image.MIME[str(image.format)] == closet.asked[-1]["contentType"]
    return image


def near(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(pixel, colour, strict=False))


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "TIFF", "GIF", "BMP"])
async def test_kinds_that_the_gateway_does_not_take_arrive_as_jpeg(closet: FakeCloset, kind: str) -> None:
    image = await arrived(closet, encoded(halves(), kind))
    assert (image.format, image.size) == ("JPEG", (640, 480))
    assert near(image.getpixel((320, 60)), RED)
    assert near(image.getpixel((320, 420)), BLUE)


async def test_a_picture_beyond_ten_megabytes_is_scaled_down_and_keeps_its_shape(closet: FakeCloset) -> None:
    large = encoded(Image.effect_noise((4800, 3600), 120).convert("RGB"), "JPEG", quality=97)
    assert len(large) > UPLOAD_RULES.max_bytes
    image = await arrived(closet, large)
    assert max(image.size) <= LONGEST_SIDE
    assert image.width * 3 == image.height * 4


async def test_what_is_transparent_stays_so(closet: FakeCloset) -> None:
    cut_out = halves(mode="RGBA")
    cut_out.putalpha(Image.new("L", cut_out.size, 0))
    cut_out.paste((*RED, 255), (100, 100, 300, 300))
    image = await arrived(closet, encoded(cut_out, "TIFF"))
    assert image.format == "PNG"
    assert [image.getpixel(at)[3] for at in ((10, 10), (200, 200))] == [0, 255]  # type: ignore[index]


async def test_a_converted_picture_is_upright_by_exif_alone_and_says_nothing_about_its_maker(
    closet: FakeCloset,
) -> None:
    lying = await arrived(closet, encoded(halves(), "AVIF", exif=rotated_by_exif()))
    assert lying.size == (480, 640)
    assert near(lying.getpixel((420, 320)), RED)
    by_tiff = await arrived(closet, encoded(halves(), "TIFF", tiffinfo={700: STALE_XMP}))
    assert by_tiff.size == (640, 480)
    assert not {"exif", "xmp"} & set(lying.info) | {"exif", "xmp"} & set(by_tiff.info)


async def test_a_picture_that_the_gateway_takes_is_sent_as_it_is(closet: FakeCloset) -> None:
    picture = encoded(halves(), "JPEG", exif=rotated_by_exif())
    async with closet.client() as client:
        ticket = await client.upload(picture)
    assert closet.stored[ticket.key] == picture


async def test_a_broken_picture_is_told_before_anything_is_sent(closet: FakeCloset) -> None:
    async with closet.client() as client:
        with pytest.raises(NotAPicture, match="Save it as JPEG"):
            await client.upload(encoded(halves(), "HEIF")[:200])
    assert not closet.calls


async def test_the_command_takes_a_phones_photo(closet: FakeCloset, tmp_path: Path) -> None:
    for name in ("me.heic", "shirt.avif"):
        (tmp_path / name).write_bytes(encoded(halves(), "AVIF" if name.endswith("avif") else "HEIF"))
    settings = {"CLOSET_URL": ",".join(closet.urls), "CLOSET_API_KEY": API_KEY, "CLOSET_USER": "u-1"}
    pictures = [str(tmp_path / "me.heic"), str(tmp_path / "shirt.avif")]
    ran = await closet_command("tryon", *pictures, "-o", str(tmp_path / "out"), "--consent", **settings)
    assert ran.code == 0, ran.err
    assert {data[:3] for data in closet.stored.values()} == {b"\xff\xd8\xff"}


def test_without_the_extra_it_is_said_how_to_get_it() -> None:
    program = (
        "import sys; sys.modules['PIL'] = None\n"
        "from closet_client.conversion import convert\n"
        "try: convert(b'')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout.startswith("NotAPicture ")
    assert "closet-client[pictures]" in ran.stdout
