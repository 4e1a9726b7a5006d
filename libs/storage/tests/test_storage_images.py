"""Pictures from strangers: each ends as a clean picture or as a refusal with a code, never as anything else."""

import array
import contextlib
import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from closet_contracts.upload import UPLOAD_RULES
from closet_storage import containers, images
from closet_storage.images import Picture, PictureRejected, check_result, fit
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

normalise = partial(images.normalise, max_bytes=UPLOAD_RULES.max_bytes)

RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 200, 20), (20, 20, 220), (250, 250, 250)
SECRET = b"Rue de la Paix 7"
SIZE = (640, 480)


def drawn(size: tuple[int, int] = SIZE) -> Image.Image:
    """Four quarters of four colours: whichever way it is turned can be seen."""
    image = Image.new("RGB", size, WHITE)
    x, y = size[0] // 2, size[1] // 2
    image.paste(RED, (0, 0, x, y))
    image.paste(GREEN, (x, 0, size[0], y))
    image.paste(BLUE, (0, y, x, size[1]))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = SECRET.decode()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({ExifTags.GPS.GPSLatitude: (48.0, 51.0, 24.0)})
    return exif


def swapped_profile() -> bytes:
    """A colour profile in which red is green and green is red, and that is not called sRGB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for one, other in ((b"rXYZ", b"gXYZ"), (b"rTRC", b"gTRC")):
        profile = profile.replace(one, b"----").replace(other, one).replace(b"----", other)
    return profile.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def shown(picture: Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.data))
    image.load()
    return image


def quarters(image: Image.Image) -> list[tuple[int, ...]]:
    image = image.convert("RGB")
    ys, xs = ([side // 4, side * 3 // 4] for side in (image.height, image.width))
    return [nearest(image.getpixel((x, y))) for y in ys for x in xs]


def nearest(found: Any) -> tuple[int, ...]:
    def distance(colour: tuple[int, ...]) -> int:
        return sum(abs(a - int(b)) for a, b in zip(colour, found, strict=True))

    return min((RED, GREEN, BLUE, WHITE), key=distance)


def assert_clean(picture: Picture) -> None:
    image = shown(picture)
    assert {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}[str(image.format)] == picture.content_type
    assert image.size == (picture.width, picture.height)
    assert SECRET not in picture.data
    assert not image.getexif()
    assert not {"icc_profile", "comment", "xmp", "exif", "photoshop"} & image.info.keys()
    assert containers.strip(picture.data) is picture.data


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(PictureRejected) as caught:
        call()
    assert caught.value.message.endswith(".")
    return caught.value.code


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_turned_picture_becomes_upright(orientation: int, kind: str) -> None:
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = drawn().transpose(Image.Transpose(back[orientation])) if orientation in back else drawn()
    data = encoded(stored, kind, exif=exif(orientation))
    for picture in (normalise(data), check_result(data), fit(data, *SIZE)):
        assert_clean(picture)
        assert (picture.width, picture.height) == SIZE
        assert quarters(shown(picture)) == [RED, GREEN, BLUE, WHITE]


def with_everything(kind: str) -> bytes:
    options: dict[str, Any] = {"exif": exif(), "icc_profile": srgb_profile(), "dpi": (300, 300)}
    if kind == "PNG":
        info = PngInfo()
        info.add_text("Author", SECRET.decode())
        info.add_text("Where", SECRET.decode(), zip=True)
        info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        options["pnginfo"] = info
    else:
        options["xmp"] = b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    if kind == "JPEG":
        options["comment"] = SECRET
        iptc = b"\xff\xed" + struct.pack(">H", 2 + 14 + len(SECRET)) + b"Photoshop 3.0\0" + SECRET
        jfxx = b"\xff\xe0" + struct.pack(">H", 2 + 6 + len(SECRET)) + b"JFXX\0\x10" + SECRET
        data = encoded(drawn(), kind, **options)
        return data[:20] + jfxx + iptc + data[20:] + b"PK\x03\x04" + SECRET
    return encoded(drawn(), kind, **options) + b"PK\x03\x04" + SECRET


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_goes_in_every_form(kind: str) -> None:
    data = with_everything(kind)
    assert SECRET in data
    for picture in (normalise(data), check_result(data), fit(data, 300, 300)):
        assert_clean(picture)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_result_loses_its_metadata_but_none_of_its_pixels(kind: str) -> None:
    data = with_everything(kind)
    picture = check_result(data)
    assert picture.content_type == f"image/{kind.lower()}"
    assert len(picture.data) < len(data)
    assert shown(picture).tobytes() == Image.open(io.BytesIO(data)).tobytes()


@pytest.mark.parametrize(
    "data",
    [
        encoded(drawn(), "JPEG"),
        encoded(drawn(), "JPEG", progressive=True),
        encoded(drawn().convert("L"), "JPEG"),
        encoded(drawn(), "PNG"),
        encoded(drawn().convert("RGBA"), "PNG"),
        encoded(drawn(), "WEBP"),
        encoded(drawn(), "WEBP", lossless=True),
    ],
    ids=["jpeg", "progressive", "grey", "png", "rgba", "webp", "lossless"],
)
def test_a_clean_result_keeps_its_bytes(data: bytes) -> None:
    picture = check_result(data)
    assert picture.data is data
    assert fit(data, *SIZE).data is data
    assert_clean(picture)


def test_a_thumbnail_of_the_uncropped_picture_goes() -> None:
    data = encoded(drawn(), "JPEG")
    thumbnail = bytes([10, 1]) + SECRET.ljust(30)
    app0 = b"\xff\xe0" + struct.pack(">H", 14 + len(thumbnail)) + b"JFIF\0\x01\x01\0\0\x01\0\x01" + thumbnail
    picture = check_result(data[:2] + app0 + data[20:])
    assert_clean(picture)
    assert quarters(shown(picture)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_another_colour_space_becomes_srgb(kind: str) -> None:
    data = encoded(drawn(), kind, icc_profile=swapped_profile())
    for picture in (normalise(data), check_result(data)):
        assert_clean(picture)
        assert quarters(shown(picture)) == [GREEN, RED, BLUE, WHITE]


@pytest.mark.parametrize("profile", [b"", b"junk" * 50, srgb_profile()[:200], swapped_profile()[:-100]])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_broken_or_unfit_profile_is_done_without(profile: bytes, mode: str) -> None:
    data = encoded(drawn().convert(mode), "JPEG", icc_profile=profile)
    for picture in (normalise(data), check_result(data)):
        assert_clean(picture)


def test_transparency_stays_where_something_shows_through() -> None:
    palette = Image.new("P", SIZE, 0)
    palette.putpalette([*RED, *GREEN])
    palette.paste(1, (0, 0, 320, 480))
    for data in (encoded(palette, "PNG", transparency=1), encoded(palette.convert("RGB"), "PNG", transparency=GREEN)):
        picture = normalise(data)
        assert_clean(picture)
        assert (picture.content_type, picture.ext) == ("image/png", "png")
        assert shown(picture).getpixel((5, 5)) == (255, 255, 255, 0), "what does not show is not in the file"
        assert shown(picture).getpixel((635, 5)) == (*RED, 255)
    assert normalise(encoded(drawn().convert("RGBA"), "PNG")).content_type == "image/jpeg"
    assert normalise(encoded(drawn().convert("P"), "PNG")).content_type == "image/jpeg"


def test_sixteen_bits_of_grey_are_scaled_not_clipped() -> None:
    grey = Image.linear_gradient("L").resize((512, 512))
    deep = Image.frombytes("I;16", grey.size, array.array("H", [value * 257 for value in grey.tobytes()]).tobytes())
    picture = shown(normalise(encoded(deep, "PNG"))).convert("L")
    differences = [abs(a - b) for a, b in zip(picture.tobytes(), grey.tobytes(), strict=True)]
    assert max(differences) <= 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "CMYK", "YCbCr"])
def test_every_mode_becomes_colours(mode: str) -> None:
    kind = "PNG" if mode in {"1", "L", "LA"} else "JPEG"
    picture = normalise(encoded(drawn().convert(mode), kind))
    assert_clean(picture)
    assert shown(picture).mode == "RGB"


def test_four_inks_keep_their_colours() -> None:
    data = encoded(drawn().convert("CMYK"), "JPEG")
    for picture in (normalise(data), check_result(data)):
        assert quarters(shown(picture)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_stays(kind: str) -> None:
    data = encoded(drawn(), kind, save_all=True, append_images=[drawn().rotate(180), drawn()])
    for picture in (normalise(data), check_result(data)):
        assert_clean(picture)
        assert quarters(shown(picture)) == [RED, GREEN, BLUE, WHITE]
        assert getattr(shown(picture), "n_frames", 1) == 1


def test_of_several_pictures_in_a_jpeg_the_first_stays() -> None:
    data = encoded(drawn(), "MPO", save_all=True, append_images=[drawn().rotate(180)], exif=exif())
    for picture in (normalise(data), check_result(data)):
        assert_clean(picture)
        assert quarters(shown(picture)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"just text",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"PK\x03\x04" + encoded(drawn(), "JPEG"),
        encoded(drawn(), "GIF"),
        encoded(drawn(), "TIFF"),
        encoded(drawn(), "BMP"),
    ],
)
def test_anything_else_is_not_a_picture(data: bytes) -> None:
    assert code_of(lambda: normalise(data)) == "not_a_picture"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_cut_short_is_damaged(kind: str) -> None:
    data = encoded(drawn(), kind)
    for part in (0.05, 0.3, 0.6, 0.95):
        assert code_of(lambda part=part: normalise(data[: int(len(data) * part)])) == "picture_damaged"  # type: ignore[misc]
        assert code_of(lambda part=part: check_result(data[: int(len(data) * part)])) == "picture_damaged"  # type: ignore[misc]


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    at=st.floats(0, 1, exclude_max=True),
    junk=st.binary(min_size=1, max_size=9),
    call=st.sampled_from([normalise, check_result]),
)
def test_bytes_changed_anywhere_end_in_a_clean_picture_or_a_refusal(
    kind: str, at: float, junk: bytes, call: Callable[[bytes], Picture]
) -> None:
    data = bytearray(with_everything(kind))
    data[int(len(data) * at) : int(len(data) * at) + len(junk)] = junk
    with contextlib.suppress(PictureRejected):
        assert_clean(call(bytes(data)))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    framed = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def header(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


def jpeg_claiming(width: int, height: int) -> bytes:
    data = encoded(drawn(), "JPEG")
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def webp_claiming(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        png(header(50_000, 50_000), (b"IDAT", zlib.compress(bytes(1_000_000))), (b"IEND", b"")),
        png(header(8_000, 8_000), (b"IDAT", b""), (b"IEND", b"")),
        jpeg_claiming(65_000, 65_000),
        jpeg_claiming(8_000, 8_000),
    ],
    ids=["huge png", "large png", "huge jpeg", "large jpeg"],
)
def test_more_pixels_than_we_read_are_refused_before_they_are_decoded(data: bytes) -> None:
    assert code_of(lambda: normalise(data)) == "decompression_bomb"
    assert code_of(lambda: check_result(data)) == "decompression_bomb"


def test_a_webp_decoder_takes_no_memory_for_what_the_file_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    assert code_of(lambda: normalise(webp_claiming(16_384, 16_384))) == "decompression_bomb"


def test_a_jpeg_of_endless_passes_is_refused_before_it_is_decoded() -> None:
    data = encoded(drawn(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    assert normalise(data[:-2] + last * 3 + b"\xff\xd9").width == 640
    assert code_of(lambda: normalise(data[:-2] + last * 1000 + b"\xff\xd9")) == "decompression_bomb"


def test_too_many_bytes_are_refused_before_they_are_looked_at() -> None:
    assert code_of(lambda: normalise(bytes(UPLOAD_RULES.max_bytes + 1))) == "picture_too_large"


@pytest.mark.parametrize("size", [(1, 1), (511, 500), (600, 383), (383, 600)])
def test_too_few_pixels_are_refused(size: tuple[int, int]) -> None:
    assert code_of(lambda: normalise(encoded(drawn(size), "PNG"))) == "picture_too_small"


def test_a_strip_too_narrow_after_scaling_is_refused() -> None:
    assert code_of(lambda: normalise(encoded(drawn((400, 6000)), "PNG"))) == "picture_too_small"


def test_a_long_side_is_brought_down() -> None:
    picture = normalise(encoded(drawn((6000, 3000)), "JPEG"))
    assert (picture.width, picture.height) == (4096, 2048)
    assert quarters(shown(picture)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_too_heavy_when_encoded_is_made_lighter(mode: str) -> None:
    noise = Image.effect_noise((900, 900), 80)
    data = encoded(Image.merge(mode, [noise] * len(mode)), "WEBP", quality=1)
    picture = normalise(data, min_side=64, min_long_side=64, max_bytes=max(len(data), 120_000))
    assert len(picture.data) <= max(len(data), 120_000)
    assert_clean(picture)


@pytest.mark.parametrize("size", [(200, 200), (1000, 300), (300, 1000), (1, 1)])
def test_fitting_covers_the_whole_size(size: tuple[int, int]) -> None:
    picture = fit(encoded(drawn(), "JPEG"), *size)
    assert (picture.width, picture.height) == size
    assert_clean(picture)
    if min(size) > 1:
        assert quarters(shown(picture)) == [RED, GREEN, BLUE, WHITE]


def test_a_picture_knows_its_digest() -> None:
    assert Picture(b"abc", "image/webp", 1, 1).sha256.startswith("ba7816bf")
