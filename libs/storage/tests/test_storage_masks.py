"""A mask is values, not colours: what comes out has the same ones, in the same place."""

import io
from functools import partial
from typing import Any

import pytest
from closet_contracts.upload import UPLOAD_RULES
from closet_storage import images
from closet_storage.images import PictureRejected
from PIL import ExifTags, Image, ImageCms

normalise = partial(images.normalise, max_bytes=UPLOAD_RULES.max_bytes)

RAMP = [x % 256 for x in range(300 * 200)]


def ramp() -> Image.Image:
    """Every grey there is, in a size that is too small for a photo."""
    image = Image.new("L", (300, 200))
    image.putdata(RAMP)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def values(data: bytes) -> list[int]:
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode, image.info) == ("PNG", "L", {})
    return list(image.tobytes())


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_every_grey_stays_what_it_is(mode: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    made = normalise(encoded(ramp().convert(mode), icc_profile=profile), grey=True)
    assert (made.content_type, made.width, made.height) == ("image/png", 300, 200)
    assert values(made.data) == RAMP


def test_black_and_white_stay_black_and_white() -> None:
    mask = ramp().convert("1")
    assert set(values(normalise(encoded(mask), grey=True).data)) == {0, 255}


def test_what_shows_through_is_black_and_a_turned_mask_becomes_upright() -> None:
    mask = Image.new("RGBA", (6, 4), (255, 255, 255, 0))
    mask.putpixel((0, 0), (255, 255, 255, 255))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned to the right
    made = normalise(encoded(mask, exif=exif), grey=True)
    assert (made.width, made.height) == (4, 6)
    assert [index for index, value in enumerate(values(made.data)) if value] == [3]


def test_a_mask_is_never_shrunk() -> None:
    made = normalise(encoded(Image.new("L", (5000, 10), 255)), grey=True)
    assert (made.width, made.height) == (5000, 10)


def test_a_mask_that_is_too_heavy_is_refused() -> None:
    noise = Image.effect_noise((300, 300), 90)
    with pytest.raises(PictureRejected) as refused:
        normalise(encoded(noise, "JPEG", quality=30), grey=True, max_bytes=40_000)
    assert refused.value.code == "picture_too_large"


@pytest.mark.parametrize(
    "mask",
    [
        Image.new("L", (300, 200), 0),
        Image.new("L", (300, 200), 90),
        Image.new("RGB", (300, 200), (255, 0, 0)),
        Image.new("RGBA", (300, 200), (255, 255, 255, 0)),
        Image.new("RGBA", (300, 200), (0, 0, 0, 255)),
    ],
    ids=["black", "dark grey", "red", "clear", "black and opaque"],
)
def test_a_mask_that_selects_nothing_is_refused(mask: Image.Image) -> None:
    with pytest.raises(PictureRejected) as refused:
        normalise(encoded(mask), grey=True)
    assert refused.value.code == "mask_selects_nothing"
    assert "white" in refused.value.message


def test_a_mask_of_all_or_of_a_soft_edge_is_taken() -> None:
    assert set(values(normalise(encoded(Image.new("1", (300, 200), 1)), grey=True).data)) == {255}
    soft = Image.new("RGBA", (300, 200), (255, 255, 255, 0))
    soft.putpixel((5, 5), (255, 255, 255, 180))
    soft.putpixel((5, 6), (255, 255, 255, 60))
    assert sorted(set(values(normalise(encoded(soft), grey=True).data))) == [0, 60, 180]
