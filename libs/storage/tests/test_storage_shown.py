"""What a browser shows is what is kept: expected values are computed here, from the standards' own formulas."""

import io
import struct
import zlib
from functools import partial
from typing import Any

import pytest
from closet_contracts.upload import UPLOAD_RULES
from closet_storage import images
from closet_storage.images import check_result, fit
from PIL import ExifTags, Image, ImageCms

jpeg = partial(images.jpeg, max_bytes=UPLOAD_RULES.max_bytes)
normalise = partial(images.normalise, max_bytes=UPLOAD_RULES.max_bytes)

SIZE = (640, 480)
GREYS = [0, 10, 40, 90, 128, 200, 255]
SRGB_XY = (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
P3_XY = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
# CSS Color 4: linear Display P3 to linear sRGB, both under D65.
P3_TO_SRGB = (
    (1.2249401762805598, -0.22494017628055996, 0.0),
    (-0.042056954709688163, 1.0420569547096881, 0.0),
    (-0.019637554590334432, -0.078636045550631889, 1.0982736001409663),
)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", round(gamma * 100_000).to_bytes(4))


def chrm(places: tuple[float, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8i", *(round(place * 100_000) for place in places)))


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))


SRGB = chunk(b"sRGB", b"\0")


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(image: Image.Image, *said: bytes) -> bytes:
    """The picture with these chunks after its header."""
    data = encoded(image)
    return data[:33] + b"".join(said) + data[33:]


def png_of(depth: int, kind: int, row: bytes, *said: bytes) -> bytes:
    """All rows alike, in a depth that Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE, depth, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + row) * SIZE[1]))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(said) + pixels + chunk(b"IEND", b"")


def shown(data: bytes) -> Any:
    return Image.open(io.BytesIO(data)).convert("RGBA").getpixel((5, 5))


def linear(value: float) -> float:
    """IEC 61966-2-1: light of an sRGB value of 0 to 255."""
    value /= 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def srgb(light: float) -> float:
    light = min(max(light, 0.0), 1.0)
    return 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def by_gamma(value: float, gamma: float) -> float:
    """PNG 13.13: light is the sample to the power of 1/gamma."""
    return srgb((value / 255) ** (1 / gamma))


def p3_shown(colour: tuple[int, int, int]) -> list[float]:
    light = [linear(value) for value in colour]
    return [srgb(sum(a * b for a, b in zip(row, light, strict=True))) for row in P3_TO_SRGB]


def close(found: Any, wanted: Any, within: float = 4) -> None:
    assert all(abs(a - b) <= within for a, b in zip(found[:3], wanted, strict=True)), (found, wanted)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def p3_profile() -> bytes:
    """Display P3 as ICC v4: its columns are published, already for D50."""
    profile = bytearray(srgb_profile())
    columns = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    for name, xyz in columns.items():
        (offset,) = struct.unpack_from(">I", profile, profile.index(name, 128) + 4)
        struct.pack_into(">3i", profile, offset + 8, *(round(value * 65536) for value in xyz))
    return bytes(profile)


def grey_profile(gamma: float) -> bytes:
    """ICC v2, of grey with one curve."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"g\0" + bytes(78)
    bodies = [(b"desc", text + bytes(-len(text) % 4)), (b"wtpt", white), (b"kTRC", curve)]
    at, table, data = 128 + 4 + 12 * len(bodies), struct.pack(">I", len(bodies)), b""
    for name, body in bodies:
        table += name + struct.pack(">II", at + len(data), len(body))
        data += body
    size = struct.pack(">I", at + len(data))
    header = size + bytes(4) + b"\x02\x20\0\0" + b"mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28)
    return header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061) + bytes(48) + table + data


# --- the way up


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
)


def turned(kind: str, orientation: int | None) -> bytes:
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    if kind != "PNG":
        return encoded(Image.new("RGB", SIZE), kind, xmp=XMP, exif=exif)
    data = encoded(Image.new("RGB", SIZE), exif=exif)
    raw = chunk(
        b"tEXt", b"Raw profile type exif\0\nexif\n34\n45786966000049492a0008000000010012010300010000000600000000000000"
    )
    return data[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) + raw + data[33:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "size"), [(None, SIZE), (1, SIZE), (6, (480, 640)), (0, SIZE), (9, SIZE)])
def test_only_exif_turns_a_picture(kind: str, orientation: int | None, size: tuple[int, int]) -> None:
    data = turned(kind, orientation)
    for picture in (normalise(data), check_result(data), normalise(data, grey=False)):
        assert (picture.width, picture.height) == size
    masked = encoded(Image.new("L", SIZE, 255), "JPEG", xmp=XMP)
    assert normalise(masked, grey=True).width == SIZE[0]


# --- gamma and primaries


@pytest.mark.parametrize("value", GREYS)
@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 0.3])
def test_gamma_without_a_profile_counts(value: int, gamma: float) -> None:
    wanted = [by_gamma(value, gamma)] * 3
    for mode, white in (("RGB", (value,) * 3), ("L", value), ("RGBA", (value, value, value, 128))):
        data = png(Image.new(mode, SIZE, white), gama(gamma))
        for picture in (normalise(data), check_result(data), fit(data, 600, 400)):
            close(shown(picture.data), wanted)


@pytest.mark.parametrize(
    "said",
    [
        (gama(1 / 2.2),),
        (gama(1 / 2.2), chrm(SRGB_XY)),
        (SRGB, gama(1.0), chrm(P3_XY)),
        (iccp(srgb_profile()), gama(1.0)),
        (gama(0.0),),
        (chunk(b"gAMA", b"\0"),),
        (chunk(b"gAMA", bytes(4))[:-1] + b"?",),
        (chrm((0.0,) * 8),),
        (chrm((0.3, 0.3) * 4),),
    ],
    ids=["2.2", "sRGB's own", "sRGB first", "iCCP first", "zero", "short", "bad sum", "no white", "one point"],
)
def test_what_says_srgb_or_nothing_changes_nothing(said: tuple[bytes, ...]) -> None:
    image = Image.new("RGB", SIZE, (40, 90, 200))
    assert shown(check_result(png(image, *said)).data)[:3] == (40, 90, 200)
    assert check_result(png(image, *said)).data == encoded(image), "no pixel was encoded anew"


@pytest.mark.parametrize("colour", [(255, 0, 0), (40, 200, 90), (128, 128, 128), (200, 60, 60)])
@pytest.mark.parametrize("how", ["cHRM", "cICP", "iCCP", "JPEG", "WEBP"])
def test_other_primaries_become_srgbs(colour: tuple[int, int, int], how: str) -> None:
    image = Image.new("RGB", SIZE, colour)
    said = {"cHRM": chrm(P3_XY), "cICP": chunk(b"cICP", bytes((12, 13, 0, 1))), "iCCP": iccp(p3_profile())}
    if how in said:
        data = png(image, said[how])
    else:
        lossless = {"quality": 100, "subsampling": 0} if how == "JPEG" else {"lossless": True}
        data = encoded(image, how, icc_profile=p3_profile(), **lossless)
    for picture in (normalise(data), check_result(data)):
        close(shown(picture.data), p3_shown(colour), within=5)


@pytest.mark.parametrize("mode", ["P", "1", "I;16"])
def test_what_is_no_full_colour_is_shown_by_its_profile_too(mode: str) -> None:
    image = (
        Image.new("RGB", SIZE, (200, 60, 60)).quantize(4)
        if mode == "P"
        else Image.new(mode, SIZE, 0x4000 if mode == "I;16" else 0)
    )
    profile = p3_profile() if mode == "P" else grey_profile(1.0)
    wanted = {"P": p3_shown((200, 60, 60)), "1": [0.0] * 3, "I;16": [srgb(0x40 / 255)] * 3}[mode]
    close(shown(check_result(png(image, iccp(profile))).data), wanted, within=5)
    bright = [by_gamma(200, 1.0), by_gamma(60, 1.0), by_gamma(60, 1.0)]
    lit = {"P": bright, "1": [0.0] * 3, "I;16": [srgb(0x40 / 255)] * 3}[mode]
    close(shown(check_result(png(image, gama(1.0))).data), lit, within=5)


def test_gamma_and_primaries_count_together() -> None:
    colour = (60, 150, 90)
    data = png(Image.new("RGB", SIZE, colour), gama(1.0), chrm(P3_XY))
    light = [value / 255 for value in colour]
    wanted = [srgb(sum(a * b for a, b in zip(row, light, strict=True))) for row in P3_TO_SRGB]
    close(shown(normalise(data).data), wanted, within=5)


def test_a_profile_counts_by_what_it_holds_not_by_its_name() -> None:
    """It is called sRGB and is Display P3, as writers leave the name when they change the rest."""
    assert "sRGB".encode("utf-16-be") in p3_profile()
    data = encoded(Image.new("RGB", SIZE, (40, 200, 90)), "WEBP", lossless=True, icc_profile=p3_profile())
    close(shown(check_result(data).data), p3_shown((40, 200, 90)), within=5)
    named = srgb_profile().replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    image = Image.new("RGB", SIZE, (40, 200, 90))
    assert check_result(png(image, iccp(named))).data == encoded(image)


# --- grey, inks, depth


@pytest.mark.parametrize("value", GREYS)
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile_counts(value: int, mode: str) -> None:
    grey = Image.new("L", SIZE, value)
    if mode == "LA":
        grey.putalpha(Image.new("L", SIZE, 200))
    data = png(grey, iccp(grey_profile(1.0)))
    for picture in (normalise(data), check_result(data)):
        close(shown(picture.data), [srgb(value / 255)] * 3)
    as_jpeg = encoded(grey.convert("L"), "JPEG", quality=100, icc_profile=grey_profile(1.0))
    close(shown(normalise(as_jpeg).data), [srgb(value / 255)] * 3)


@pytest.mark.parametrize("inks", [(0, 0, 0, 0), (255, 0, 0, 0), (0, 200, 100, 50), (0, 0, 0, 255)])
def test_inks_without_a_profile_are_taken_off_white(inks: tuple[int, ...]) -> None:
    data = encoded(Image.new("CMYK", SIZE, inks), "JPEG", quality=100, subsampling=0)
    wanted = [(255 - ink) * (255 - inks[3]) / 255 for ink in inks[:3]]
    for picture in (normalise(data), check_result(data), jpeg(data, 4096)):
        close(shown(picture.data), wanted, within=5)


@pytest.mark.parametrize("value", [0, 0x0101, 0x1234, 0x80FF, 0xFFFF])
@pytest.mark.parametrize(("kind", "samples"), [(0, 1), (2, 3), (4, 1), (6, 3)])
def test_sixteen_bits_are_scaled(value: int, kind: int, samples: int) -> None:
    pixel = value.to_bytes(2) * samples + (b"\xff\xff" if kind in {4, 6} else b"")
    close(shown(normalise(png_of(16, kind, pixel * SIZE[0])).data), [value / 257] * 3, within=2)
    lit = png_of(16, kind, pixel * SIZE[0], gama(1 / 1.8))
    close(shown(normalise(lit).data), [by_gamma(value / 257, 1 / 1.8)] * 3, within=4)


@pytest.mark.parametrize("value", [0x0020, 0x0080, 0x0180, 0x0300, 0x1000])
@pytest.mark.parametrize("kind", [0, 2, 6])
def test_the_darks_of_a_renderer_keep_their_steps(value: int, kind: int) -> None:
    """In linear light the darkest tenth of what is seen lies within two steps of eight bits."""
    pixel = value.to_bytes(2) * (1 if kind == 0 else 3) + (b"\xff\xff" if kind == 6 else b"")
    made = shown(normalise(png_of(16, kind, pixel * SIZE[0], gama(1.0))).data)
    close(made, [srgb(value / 65535)] * 3, within=2)


# --- what was erased


@pytest.mark.parametrize("alpha", [0, 1, 3])
def test_what_was_erased_is_not_in_the_picture(alpha: int) -> None:
    image = Image.new("RGBA", SIZE, (9, 99, 199, 255))
    image.paste((200, 30, 60, alpha), (0, 0, 320, 480))
    for kind in ("PNG", "WEBP"):
        data = encoded(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
        for picture in (normalise(data), normalise(data, max_side=600)):
            assert shown(picture.data) == (255, 255, 255, 0)
            made = Image.open(io.BytesIO(picture.data))
            reds = set(made.getchannel("R").tobytes())
            assert not [red for red in reds if 100 < red < 250], "nor along the edge"
        close(shown(jpeg(data, 4096).data), (255, 255, 255))


@pytest.mark.parametrize("alpha", [64, 128, 254])
def test_what_shows_half_keeps_its_colour(alpha: int) -> None:
    data = encoded(Image.new("RGBA", (1400, 1000), (200, 30, 60, alpha)))
    assert shown(normalise(data).data) == (200, 30, 60, alpha)
    small = shown(normalise(data, max_side=700).data)
    close(small, (200, 30, 60), within=2)
    assert abs(small[3] - alpha) <= 1
    close(shown(jpeg(data, 4096).data), [alpha / 255 * value + 255 - alpha for value in (200, 30, 60)], within=3)


@pytest.mark.parametrize(
    ("depth", "kind", "row", "key"),
    [
        (1, 0, bytes(80), b"\0\0"),
        (2, 0, b"\x55" * 160, b"\0\1"),
        (4, 0, b"\x77" * 320, b"\0\7"),
        (8, 0, b"\x2a" * 640, b"\0\x2a"),
        (16, 0, b"\x12\x34" * 640, b"\x12\x34"),
        (8, 2, b"\1\2\3" * 640, b"\0\1\0\2\0\3"),
        (16, 2, b"\x12\x34\x56\x78\x9a\xbc" * 640, b"\x12\x34\x56\x78\x9a\xbc"),
        (8, 3, bytes(640), b"\0"),
    ],
)
def test_a_colour_that_stands_for_nothing_is_cleared(depth: int, kind: int, row: bytes, key: bytes) -> None:
    palette = [chunk(b"PLTE", b"\x30\x60\x90" * 2)] if kind == 3 else []
    data = png_of(depth, kind, row, *palette, chunk(b"tRNS", key))
    assert shown(normalise(data).data) == (255, 255, 255, 0)
