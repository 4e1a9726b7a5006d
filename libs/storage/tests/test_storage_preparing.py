"""Pictures made fit for others: JPEG of a bounded size, masks of an exact one."""

import io
from functools import partial

import pytest
from closet_contracts.upload import UPLOAD_RULES
from closet_storage import images
from closet_storage.keys import InvalidKey, prepared_key
from closet_storage.picture import PictureRejected
from closet_storage.pool import PicturePool
from PIL import Image

jpeg = partial(images.jpeg, max_bytes=UPLOAD_RULES.max_bytes)
mask = partial(images.mask, max_bytes=UPLOAD_RULES.max_bytes)

JOB = "job_" + "0" * 32


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_a_png_becomes_a_jpeg_no_longer_than_allowed() -> None:
    made = jpeg(png(Image.new("RGBA", (3000, 1500), (0, 0, 0, 0))), 1024)
    assert (made.content_type, made.width, made.height) == ("image/jpeg", 1024, 512)
    red, green, blue = opened(made.data).convert("RGB").getpixel((10, 10))  # type: ignore[misc]
    assert min(red, green, blue) > 250, "what showed through is white"


def test_a_mask_becomes_grey_and_exactly_as_large_as_its_picture() -> None:
    drawn = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    drawn.paste((255, 255, 255, 255), (0, 0, 32, 64))
    made = mask(png(drawn), 200, 100)
    image = opened(made.data)
    assert (made.content_type, image.mode, image.size) == ("image/png", "L", (200, 100))
    assert (image.getpixel((99, 50)), image.getpixel((100, 50))) == (255, 0), "edges stay sharp"


@pytest.mark.parametrize("data", [b"", b"no picture", png(Image.new("L", (8, 8)))[:40]])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureRejected):
        jpeg(data, 100)
    with pytest.raises(PictureRejected):
        mask(data, 10, 10)


async def test_both_are_done_in_a_process_of_their_own() -> None:
    data = png(Image.new("L", (300, 200), 255))
    async with PicturePool() as pool:
        assert (await pool.jpeg(data, max_side=150)).width == 150
        assert (await pool.mask(data, 30, 20)).height == 20


def test_a_prepared_input_lies_with_its_job_s_results() -> None:
    assert prepared_key("acme", JOB, 2, "mask", "png") == f"tenant/acme/results/{JOB}/input_2_mask.png"
    for role in ("", "../x", "Mask"):
        with pytest.raises(InvalidKey):
            prepared_key("acme", JOB, 0, role, "png")
