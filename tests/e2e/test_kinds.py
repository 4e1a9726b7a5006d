"""Every kind of work through the whole house: asked for, made, paid, brought home."""

import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from closet_client import ApiProblem, ClosetClient, Concern, Job, Size, Style, items
from closet_devstack import samples
from closet_devstack.report import booked
from closet_devstack.shop import Shop, settled, upload_samples
from closet_devstack.testing import eventually
from PIL import Image, ImageChops, ImageStat

MakeShop = Callable[[int], Awaitable[Shop]]

pytestmark = pytest.mark.asyncio(loop_scope="session")


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def mask_of_the_floor(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, size[1] * 9 // 10, *size))
    return mask


async def files(client: ClosetClient, job: Job, folder: Path) -> list[bytes]:
    """All that a job made."""
    assert job.status == "completed", (job.error_code, job.error_message)
    saved = [await client.download(url, folder / f"result-{n}") for n, url in enumerate(job.result_urls)]
    return [each.path.read_bytes() for each in saved]


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


async def paid(shop: Shop, job: Job) -> int:
    """What the job took from the account for good; nothing of it is held any more."""
    entries = booked(await shop.ledger(), job.id)
    assert entries.held >= entries.captured == job.credits_charged
    return entries.captured


async def test_words_become_pictures_each_a_task_of_its_own(shop: Shop, tmp_path: Path) -> None:
    async with shop.shopper("never-asked-for-consent") as client:
        size = Size(width=512, height=640)
        created = await client.text_to_image("a red dress", style=Style.STUDIO, size=size, variants=2)
        job = await settled(client, created.job_id)
        pictures = await files(client, job, tmp_path)
    assert [result.item for result in job.results] == [0, 1]
    assert [size_of(data) for data in pictures] == [(512, 640)] * 2
    assert await paid(shop, job) == created.cost.credits == 6
    started = [line for line in job.timeline if line.type == "closet.render.started.v1"]
    assert len(started) == 2, "no item hides another in the timeline"


async def test_a_mask_says_where_a_picture_is_changed(shop: Shop, client: ClosetClient, tmp_path: Path) -> None:
    before = samples.person_picture()
    mask = mask_of_the_floor(before.size)
    picture, masked = await client.upload(png(before)), await client.upload(png(mask))
    job = await settled(client, (await client.edit(picture, "a beach", mask=masked)).job_id)
    (data,) = await files(client, job, tmp_path)
    after = Image.open(io.BytesIO(data)).convert("RGB")
    assert after.size == before.size
    changed = ImageChops.difference(before, after).convert("L")
    floor = changed.crop((0, before.height * 9 // 10, *before.size))
    middle = changed.crop((200, 300, 700, 900))
    assert ImageStat.Stat(floor).mean[0] > 3 * (1 + ImageStat.Stat(middle).mean[0])
    assert await paid(shop, job) == 4


async def test_a_picture_is_changed_as_a_whole_without_a_mask(shop: Shop, client: ClosetClient, tmp_path: Path) -> None:
    picture = await client.upload(samples.person_jpeg())
    created = await client.edit(picture, "a beach", size=Size(width=600, height=800))
    job = await settled(client, created.job_id)
    (data,) = await files(client, job, tmp_path)
    assert size_of(data) == (600, 800)
    assert await paid(shop, job) == 4


async def test_hair_of_a_template_and_of_a_picture(shop: Shop, client: ClosetClient, tmp_path: Path) -> None:
    async def listed() -> Any:
        try:
            return (await client.templates()).templates
        except ApiProblem as problem:
            assert problem.code == "templates_unavailable"  # noqa: PT017  it passes
            return None

    # A stack that has just come up lists them when it has a call to spare: within a minute, as the answer says.
    template = (await eventually(listed, timeout=90, every=0.2))[0]
    photo = await client.upload(samples.person_jpeg())
    other = await client.upload(png(samples.person_picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    for wanted in (items.hairstyle(photo, template=template.template_id), items.hairstyle(photo, reference=other)):
        job = await settled(client, (await client.create(wanted)).job_id)
        (data,) = await files(client, job, tmp_path)
        assert max(size_of(data)) <= 1024
        assert await paid(shop, job) == 5


async def test_skin_is_scored_with_a_picture_of_each_finding(shop: Shop, client: ClosetClient, tmp_path: Path) -> None:
    photo = await client.upload(samples.person_jpeg())
    concerns = [Concern.PORE, Concern.DARK_CIRCLE]
    job = await settled(client, (await client.analyse_skin(photo, concerns)).job_id)
    document, *masks = await files(client, job, tmp_path)
    assert job.results[0].content_type == "application/json"
    scores = json.loads(document)["scores"]
    assert {each["concern"] for each in scores} == {"pore", "dark_circle"}
    assert all(size_of(mask) for mask in masks)
    assert len(masks) == len(job.results) - 1 > 0
    assert await paid(shop, job) == 18


@pytest.mark.parametrize(("hd", "tiers"), [(False, [18, 24, 28, 32]), (True, [24, 32, 40, 44])], ids=["sd", "hd"])
async def test_skin_costs_by_the_number_of_concerns_in_quote_answer_and_hold(
    make_shop: MakeShop, hd: bool, tiers: list[int]
) -> None:
    shop = await make_shop(sum(tiers))
    asked = [tuple(Concern)[:count] for count in (1, 4, 5, 8, 9, 12, 13, 16)]
    async with shop.shopper() as client:
        await client.give_consent()
        wanted = [items.skin_analysis("any picture", concerns, hd=hd) for concerns in asked]
        quotes = [(await client.estimate(one)).credits for one in wanted]
        assert quotes == [credits for credits in tiers for _ in range(2)]
        photo = await client.upload(samples.person_jpeg())
        created = [
            await client.create(items.skin_analysis(photo, concerns, hd=hd), quote_id=None) for concerns in asked[::2]
        ]
        assert [one.cost.credits for one in created] == tiers

        async def held() -> bool:
            entries = [booked(await shop.ledger(), one.job_id) for one in created]
            return [one.held for one in entries] == tiers

        await eventually(held, timeout=60)


async def test_a_batch_completes_with_what_could_be_made_and_costs_that(
    shop: Shop, client: ClosetClient, tmp_path: Path
) -> None:
    person, garment = await upload_samples(client)
    nobody = await client.upload(samples.blank_jpeg())
    wanted = [
        items.try_on(person, garment, size=Size(width=480, height=640)),
        items.try_on(nobody, garment),
        items.text_to_image("a red dress", size=Size(width=512, height=512)),
    ]
    quote = await client.estimate(items.batch(wanted))
    created = await client.batch(wanted, quote_id=quote.quote_id)
    job = await settled(client, created.job_id)
    pictures = await files(client, job, tmp_path)
    assert [result.item for result in job.results] == [0, 2]
    assert [size_of(data) for data in pictures] == [(480, 640), (512, 512)]
    (failure,) = job.failures
    assert (failure.item, failure.code) == (1, "person_not_found")
    assert failure.message.endswith(".")
    assert (quote.credits, created.cost.credits) == (6, 6)
    assert await paid(shop, job) == 4
    await shop.rests_at(100 - 4)


async def test_a_batch_of_which_nothing_could_be_made_fails_and_is_free(shop: Shop, client: ClosetClient) -> None:
    nobody, garment = await client.upload(samples.blank_jpeg()), await client.upload(samples.garment_png())
    job = await settled(client, (await client.batch([items.try_on(nobody, garment)] * 2)).job_id)
    assert (job.status, job.error_code) == ("failed", "person_not_found")
    await shop.rests_at(100)
