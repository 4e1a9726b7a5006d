"""What is in a file beside its picture never makes the picture unusable, however odd or large it is."""

import io
import random
import struct
import zlib
from functools import partial
from typing import Any

import pytest
from closet_contracts.upload import UPLOAD_RULES
from closet_storage import containers, images
from closet_storage.images import check_result, fit
from closet_storage.picture import PictureRejected
from closet_storage.pool import PicturePool
from PIL import Image, ImageChops, ImageStat

normalise = partial(images.normalise, max_bytes=UPLOAD_RULES.max_bytes)

SIZE = (640, 480)
BOMB = zlib.compress(bytes(200_000_000), 9)
LONG = zlib.compress(random.Random(1).randbytes(3 << 20))
END = b"\xff\xd9"


def drawn() -> Image.Image:
    """No two halves alike, and no flat areas that would hide a missing one."""
    image = Image.linear_gradient("L").resize(SIZE).convert("RGB")
    image.paste((220, 20, 20), (0, 0, 320, 240))
    return image


def encoded(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    drawn().save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, body: bytes, check: int | None = None) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ (check or 0))


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def assert_the_same(data: bytes, plain: bytes, within: int = 0) -> None:
    """`within`: by how much it may differ, where it had to be encoded anew."""
    wanted = Image.open(io.BytesIO(plain)).convert("RGB")
    result = check_result(data, max_bytes=64 << 20)
    found = Image.open(io.BytesIO(result.data)).convert("RGB")
    assert max(ImageStat.Stat(ImageChops.difference(found, wanted)).mean) <= within
    assert (normalise(data).width, fit(data, 300, 200).width) == (640, 300)


def test_text_is_thrown_away_unread_whatever_it_would_grow_to() -> None:
    plain = encoded("PNG")
    texts = {
        b"zTXt": b"Comment\0\0" + BOMB,
        b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + LONG,
        b"tEXt": b"Comment\0" + bytes(3 << 20),
        b"iCCP": b"bomb\0\0" + BOMB,
    }
    for name, body in texts.items():
        assert_the_same(plain[:33] + chunk(name, body) + plain[33:], plain)
    assert_the_same(plain[:33] + chunk(b"zTXt", b"a\0\0" + LONG) * 2 + plain[33:], plain)


async def test_text_that_grows_takes_no_memory() -> None:
    """In a process that may take a quarter of what the text would become."""
    plain = encoded("PNG")
    grows = zlib.compress(bytes(1 << 30), 9)
    async with PicturePool(memory_bytes=256 << 20) as pool:
        data = plain[:33] + chunk(b"zTXt", b"a\0\0" + grows) + chunk(b"iCCP", b"a\0\0" + grows) + plain[33:]
        assert (await pool.normalise(data)).width == 640


ODD_CHUNKS = [
    chunk(b"tEXt", b"Author\0me", check=1),
    chunk(b"prVt", b"\0" * 50),
    chunk(b"pHYs", b"\0"),
    chunk(b"tIME", b""),
    chunk(b"sRGB", b""),
    chunk(b"eXIf", b"nonsense"),
    chunk(b"iCCP", b"no end of its name"),
    chunk(b"iCCP", b"a\0\0no stream"),
    chunk(b"iCCP", b"a\0\0" + zlib.compress(b"no profile")),
    chunk(b"cHRM", bytes(32)),
    chunk(b"acTL", b"\0"),
    chunk(b"fcTL", bytes(26)),
    chunk(b"fdAT", b""),
    chunk(b"tRNS", b"\0"),
    chunk(b"tRNS", bytes(6), check=1),
    chunk(b"iTXt", b"\0\1\1"),
    chunk(b"caBX", bytes(100_000)),
    chunk(b"cICP", b"\x09\x10"),
]


@pytest.mark.parametrize("odd", ODD_CHUNKS, ids=lambda odd: odd[4:8].decode())
def test_an_odd_chunk_is_not_the_picture(odd: bytes) -> None:
    plain = encoded("PNG")
    at = plain.index(b"IDAT") - 4
    assert_the_same(plain[:at] + odd + plain[at:], plain)
    end = plain.index(b"IEND") - 4
    assert_the_same(plain[:end] + odd + plain[end:], plain)
    assert_the_same(plain[:end], plain)
    assert_the_same(plain[:end] + b"?" * 60, plain)


ODD_SEGMENTS = [
    segment(0xE0, b"JFIF\0\1"),
    segment(0xE1, b"Exif\0\0nonsense"),
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + bytes(60_000)),
    segment(0xE2, b"ICC_PROFILE\0\1\2half of one"),
    segment(0xE2, b"ICC_PROFILE\0\0\0"),
    segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\xff\xff"),
    segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\xff\xff\xff\xff"),
    segment(0xEB, bytes(65_000)),
    segment(0xFE, b"\xff\xd9"),
    b"\xff\xff\xff" + segment(0xFE, b""),
    b"\0\0junk" + segment(0xFE, b""),
]


@pytest.mark.parametrize("odd", ODD_SEGMENTS)
def test_an_odd_segment_is_not_the_picture(odd: bytes) -> None:
    for plain in (encoded("JPEG"), encoded("JPEG", progressive=True)):
        if odd[0] == 0xFF:  # else the file would not begin as a JPEG
            assert_the_same(plain[:2] + odd + plain[2:], plain)
        at = plain.index(b"\xff\xda")
        assert_the_same(plain[:at] + odd + plain[at:], plain)


@pytest.mark.parametrize("lossless", [False, True])
def test_odd_chunks_of_webp_are_not_the_picture(lossless: bool) -> None:
    plain = encoded("WEBP", lossless=lossless)
    odd = b"XXXX" + struct.pack("<I", 3) + b"abc\0"
    for data in (plain + odd, plain[:12] + odd + plain[12:], plain + b"EXIF" + struct.pack("<I", 999) + b"cut"):
        framed = b"RIFF" + struct.pack("<I", len(data) - 8) + data[8:]
        assert_the_same(framed, plain)
    assert_the_same(plain[:4] + b"\xff\xff\xff\x7f" + plain[8:], plain)


def trailers() -> dict[str, bytes]:
    """What cameras and apps append; the markers in them come about by chance, or belong to another picture."""
    noise = random.Random(7)
    film = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + b"".join(
        bytes((0xFF, noise.randrange(1, 256))) + noise.randbytes(30) for _ in range(20_000)
    )
    return {
        "film": film,
        "scans": b"\0" * 7 + bytes((0xFF, 0xDA)) * 5000,
        "tables": segment(0xC4, b"\x7f" + bytes(16)) + segment(0xDB, bytes(65)) * 3 + b"tail",
        "another picture": encoded("JPEG", quality=20),
        "archive": b"PK\3\4" + noise.randbytes(50_000),
        "samsung": b"\0\0\1\x0aImage_UTC_Data1700000000000SEFH" + noise.randbytes(500) + b"SEFT",
        "nothing": b"",
    }


@pytest.mark.parametrize("has_end", [True, False], ids=["closed", "open"])
@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("name", trailers())
def test_what_follows_a_jpeg_is_not_the_picture(name: str, progressive: bool, has_end: bool) -> None:
    plain = encoded("JPEG", progressive=progressive)
    data = (plain if has_end else plain.removesuffix(END)) + trailers()[name]
    assert len(data) < UPLOAD_RULES.max_bytes
    assert_the_same(data, plain, within=0 if has_end else 1)
    kept = check_result(data).data
    assert not any(mark in kept for mark in (b"mp42", b"SEFT", b"PK\3\4")), "the trailer is gone"
    assert kept == plain or not has_end
    assert containers.strip(kept) is kept


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("tail", [b"", b"\0" * 100, b"\xff\xd8\xff\xe1 another"])
def test_a_jpeg_of_which_something_is_missing_is_damaged(progressive: bool, part: float, tail: bytes) -> None:
    data = encoded("JPEG", progressive=progressive)
    scan = data.rindex(b"\xff\xda")
    cut = data[: scan + int((len(data) - scan) * part)]
    with pytest.raises(PictureRejected) as refused:
        normalise(cut + tail)
    assert refused.value.code == "picture_damaged"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_the_frames_after_the_first_may_be_broken(kind: str) -> None:
    data = encoded(kind, save_all=True, append_images=[drawn().rotate(180), drawn().rotate(90)])
    mark = b"fdAT" if kind == "PNG" else b"ANMF"
    at = data.rindex(mark) + 40
    broken = data[:at] + bytes(50) + data[at + 50 :]
    first = normalise(broken)
    assert Image.open(io.BytesIO(first.data)).convert("RGB").getpixel((10, 10))[0] > 200  # type: ignore[index]


BRANDS = [b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis"]


@pytest.mark.parametrize("brand", BRANDS)
def test_what_a_phone_makes_is_refused_with_what_to_do(brand: bytes) -> None:
    major = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0" + b"xxxxxxxx" + bytes(500)
    listed = b"\0\0\0\x18ftypjunk\0\0\0\0" + b"isom" + brand + bytes(500)
    for data in (major, listed):
        with pytest.raises(PictureRejected) as refused:
            normalise(data)
        assert refused.value.code == "unsupported_picture_format"
        assert "save the picture as JPEG" in refused.value.message
        assert "Most Compatible" in refused.value.message


@pytest.mark.parametrize("data", [b"\0\0\0\x18ftypmp42\0\0heicisomiso2" + bytes(50), b"\0\0\0\x08ftyp", b"ftypheic"])
def test_a_film_is_no_picture(data: bytes) -> None:
    with pytest.raises(PictureRejected) as refused:
        normalise(data)
    assert refused.value.code == "not_a_picture"
