"""Each feature makes a picture out of what it was given."""

import pytest
from closet_devstack import samples
from closet_devstack.sandbox.perfect.remote import Remote
from PIL import Image, ImageChops

from .customer import EDIT, HAIR, MODEL, REPLACE, TEXT, TRYON, Got, World, mask, picture


async def made(world: World, path: str, body: object) -> Got:
    """The picture that a task makes."""
    return await world.get((await world.made(path, body))["url"])


@pytest.mark.parametrize("size", ["1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664"])
async def test_text_becomes_a_picture_of_exactly_the_size_asked(world: World, size: str) -> None:
    got = await made(world, TEXT, {"model": MODEL, "prompt": "a fox in the snow", "size": size})
    assert "*".join(map(str, got.image.size)) == size
    assert got.content_type == "image/jpeg"


async def test_text_without_a_size_is_wide(world: World) -> None:
    got = await made(world, TEXT, {"model": MODEL, "prompt": "a" * 800, "negative_prompt": "b" * 500})
    assert got.image.size == (1664, 928)


async def test_the_same_words_give_the_same_picture_and_others_another(world: World) -> None:
    fox, again, hare, unlike = [
        (await made(world, TEXT, {"model": MODEL, "prompt": prompt, **more})).body
        for prompt, more in [("fox", {}), ("fox", {}), ("hare", {}), ("fox", {"negative_prompt": "snow"})]
    ]
    assert fox == again
    assert len({fox, hare, unlike}) == 3


async def test_an_edit_has_the_size_asked_and_needs_all_its_pictures(world: World) -> None:
    body = {"model": MODEL, "prompt": "make it winter", "size": "512*2048"}
    alone = await made(world, EDIT, {**body, "src_file_urls": [world.at("person")]})
    together = await made(world, EDIT, {**body, "src_file_urls": [world.at("person"), world.at("garment")]})
    assert alone.image.size == together.image.size == (512, 2048)
    assert alone.body != together.body


async def test_an_edit_without_a_size_keeps_the_first_pictures_in_steps_of_sixteen(world: World) -> None:
    world.pictures["odd"] = picture(1001, 777)
    got = await made(world, EDIT, {"model": MODEL, "prompt": "warmer", "src_file_urls": [world.at("odd")]})
    assert got.image.size == (1008, 784)


@pytest.mark.parametrize(
    ("asked", "made_as"),
    [
        ("1080*1440", (1088, 1440)),
        ("1080*1920", (1088, 1920)),
        ("2048*872", (2048, 880)),
        ("1033*1032", (1040, 1040)),
    ],
)
async def test_sizes_that_the_vendor_recommends_are_rounded_to_steps_of_sixteen(
    world: World, asked: str, made_as: tuple[int, int]
) -> None:
    body = {"model": MODEL, "prompt": "warmer", "size": asked, "src_file_urls": [world.at("person")]}
    got = await made(world, EDIT, body)
    assert got.image.size == made_as


async def test_only_what_is_white_in_the_mask_is_replaced(world: World) -> None:
    world.pictures["mask"] = mask(960, 1280)
    body = {"src_file_url": world.at("person"), "msk_file_url": world.at("mask"), "prompt": "a denim jacket"}
    result = (await made(world, REPLACE, body)).image.convert("RGB")
    source = samples.person_picture()
    upper, kept = (0, 0, 960, 600), (0, 680, 960, 1180)  # the seam, and the mark at the bottom, are left out
    assert _difference(result.crop(kept), source.crop(kept)) < 6
    assert _difference(result.crop(upper), source.crop(upper)) > 30


def _difference(one: Image.Image, other: Image.Image) -> float:
    histogram = ImageChops.difference(one, other).convert("L").histogram()
    return sum(value * count for value, count in enumerate(histogram)) / sum(histogram)


async def test_a_mask_of_another_size_is_the_engines_error(world: World, sandbox: Remote) -> None:
    world.pictures["mask"] = mask(960, 1279)
    body = {"src_file_url": world.at("person"), "msk_file_url": world.at("mask"), "prompt": "a hat"}
    data = await world.ended(await world.begin(REPLACE, body), REPLACE)
    assert data["error"] == "error_apply_region_mismatch"
    assert (await sandbox.stats())["unitsCharged"] == 0


@pytest.mark.parametrize(("content", "code"), [(None, "error_download_mask"), (b"text", "error_decode_mask")])
async def test_a_mask_that_cannot_be_had(world: World, content: bytes | None, code: str) -> None:
    if content:
        world.pictures["mask"] = content
    body = {"src_file_url": world.at("person"), "msk_file_url": world.at("mask"), "prompt": "a hat"}
    assert (await world.ended(await world.begin(REPLACE, body), REPLACE))["error"] == code


async def test_hair_comes_from_a_template_or_from_somebody_elses_picture(world: World) -> None:
    world.pictures["other"] = picture(600, 800)
    face = {"src_file_url": world.at("face")}
    ringlets = await made(world, HAIR, {**face, "template_id": "ringlets_copper"})
    bob = await made(world, HAIR, {**face, "template_id": "bob_blond"})
    own_colour = await made(world, HAIR, {**face, "template_id": "bob_blond", "hair_color": "src"})
    borrowed = await made(world, HAIR, {**face, "ref_file_url": world.at("other")})
    assert {got.image.size for got in (ringlets, bob, own_colour, borrowed)} == {(720, 960)}
    assert len({got.body for got in (ringlets, bob, own_colour, borrowed)}) == 4


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (picture(720, 960, "PNG"), "error_decode_image"),
        (picture(770, 1025), "error_exceed_max_image_size"),
        (picture(200, 250), "error_below_min_image_size"),
    ],
)
async def test_hair_wants_a_jpeg_of_1024_at_most(world: World, content: bytes, code: str) -> None:
    world.pictures["face"] = content
    body = {"src_file_url": world.at("face"), "template_id": "bob_blond"}
    assert (await world.ended(await world.begin(HAIR, body), HAIR))["error"] == code


@pytest.mark.parametrize(
    ("path", "size", "code"),
    [
        (EDIT, (3073, 2000), "error_exceed_max_image_size"),
        (EDIT, (383, 900), "error_below_min_image_size"),
        (EDIT, (3072, 384), None),
        (REPLACE, (2049, 1000), "error_exceed_max_image_size"),
        (REPLACE, (2048, 1000), None),
    ],
)
async def test_edits_have_limits_of_their_own(world: World, path: str, size: tuple[int, int], code: str | None) -> None:
    world.pictures |= {"large": picture(*size), "mask": mask(*size)}
    body: dict[str, object] = {"prompt": "winter"}
    if path == EDIT:
        body |= {"model": MODEL, "src_file_urls": [world.at("large")]}
    else:
        body |= {"src_file_url": world.at("large"), "msk_file_url": world.at("mask")}
    assert (await world.ended(await world.begin(path, body), path))["error"] == code


async def test_inputs_beyond_ten_megabytes_are_too_large(world: World) -> None:
    world.pictures["large"] = samples.garment_png() + bytes(10 * 1024 * 1024)
    assert (await world.ended(await world.create(person="large")))["error"] == "exceed_max_filesize"


async def test_units_are_those_of_the_price_list(world: World, sandbox: Remote) -> None:
    world.pictures["mask"] = mask(960, 1280)
    person, face = {"src_file_url": world.at("person")}, {"src_file_url": world.at("face")}
    await world.made(TRYON, world.order())
    await world.made(TEXT, {"model": MODEL, "prompt": "a fox"})
    await world.made(EDIT, {"model": MODEL, "prompt": "a fox", "src_file_urls": [world.at("person")]})
    await world.made(REPLACE, {**person, "msk_file_url": world.at("mask"), "prompt": "a fox"})
    await world.made(HAIR, {**face, "template_id": "bob_blond"})
    assert [task["unitsCharged"] for task in await sandbox.tasks()] == [2, 1, 1, 1, 2]


async def test_results_can_be_told_as_a_list(world: World, sandbox: Remote) -> None:
    await sandbox.change(result_shape="list")
    results = (await world.ended(await world.create()))["results"]
    image = (await world.get(results[0]["url"])).image
    assert (len(results), image.size) == (1, (960, 1280))


async def test_every_result_is_marked(world: World) -> None:
    got = await made(world, TEXT, {"model": MODEL, "prompt": "a fox", "size": "1328*1328"})
    letters = got.image.convert("L").crop((0, 1328 - 83, 1328, 1328)).histogram()[240:]
    assert sum(letters) > 1000
