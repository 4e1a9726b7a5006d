"""A shopper's photo and a garment become a paid picture, followed in every way a client may follow it."""

import asyncio
import io
from pathlib import Path

import aiohttp
import pytest
from closet_client import ApiProblem, ClosetClient, Size
from closet_devstack import samples
from closet_devstack.report import booked
from closet_devstack.shop import Shop, settled, upload_samples
from closet_storage.signing import Signer
from PIL import Image

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZE = Size(width=480, height=640)
METADATA = ("exif", "xmp", "photoshop", "icc_profile", "comment")


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


async def stored(shop: Shop, key: str) -> tuple[int, bytes]:
    """An object, read as the bucket's owner."""
    access = shop.stack.s3.access()
    signer = Signer.of(access)
    async with aiohttp.ClientSession() as session, session.get(signer.get_url(key, 60)) as response:
        return response.status, await response.read()


async def test_a_photo_and_a_garment_become_a_paid_picture(shop: Shop, client: ClosetClient, tmp_path: Path) -> None:
    before = (await shop.stack.vendor.stats())["callsByOperation"]
    person, garment = await upload_samples(client)
    quote = await client.estimate(size=SIZE)
    created = await client.try_on(person, garment, size=SIZE)
    job = await settled(client, created.job_id)

    assert job.status == "completed"
    assert (quote.credits, created.cost.credits, job.credits_charged) == (5, 5, 5)
    saved = await client.download(job.result_urls[0], tmp_path / "result")
    data = saved.path.read_bytes()
    picture = opened(data)
    assert picture.size == (SIZE.width, SIZE.height)
    assert not any(name in picture.info for name in METADATA)
    assert data not in {samples.person_jpeg(), samples.garment_png()}

    entries = booked(await shop.ledger(), job.id)
    assert (entries.held, entries.captured) == (5, 5)
    await shop.shows(95)
    # The account and the templates are asked about now and then, whoever orders.
    after = (await shop.stack.vendor.stats())["callsByOperation"]
    assert sum(after[operation] - before.get(operation, 0) for operation in ("create", "look")) <= 2


async def test_a_stored_input_is_upright_without_metadata_and_the_raw_upload_is_gone(
    shop: Shop, client: ClosetClient
) -> None:
    raw = opened(samples.person_jpeg())
    assert raw.getexif(), "the sample carries EXIF with an orientation and a place"
    person, garment = await upload_samples(client)
    await settled(client, (await client.try_on(person, garment)).job_id)

    status, data = await stored(shop, f"tenant/{shop.tenant.tenant_id}/inputs/{person.upload_id}.jpg")
    assert status == 200
    upright = opened(data)
    assert upright.size == raw.size[::-1]
    assert not any(name in upright.info for name in METADATA)
    assert (await stored(shop, person.key))[0] == 404


async def test_a_cut_stream_resumes_without_gap_or_repetition(client: ClosetClient) -> None:
    created = await client.try_on(*await upload_samples(client))
    first = []
    stream = client.follow(created.job_id)
    async for event in stream:
        first.append(event)
        if len(first) == 3:
            break
    await stream.aclose()
    rest = [event async for event in client.follow(created.job_id, last_event_id=first[-1].id)]
    whole = [event async for event in client.follow(created.job_id)]
    assert [event.id for event in (*first, *rest)] == [event.id for event in whole]
    assert whole[-1].type == "closet.job.completed.v1"
    assert len({event.id for event in whole}) == len(whole)


async def test_an_unchanged_job_is_not_sent_again(shop: Shop, client: ClosetClient) -> None:
    job = await settled(client, (await client.try_on(*await upload_samples(client))).job_id)
    url = f"{shop.stack.url('kiosk-gateway')}/api/gen/job/{job.id}"
    async with aiohttp.ClientSession(headers=await token_headers(shop)) as session:
        async with session.get(url) as response:
            etag = response.headers["ETag"]
            assert response.status == 200
            assert "private" in response.headers["Cache-Control"]
        async with session.get(url, headers={"If-None-Match": etag}) as response:
            assert (response.status, await response.read()) == (304, b"")


async def test_a_long_poll_answers_when_the_job_ends(shop: Shop, client: ClosetClient) -> None:
    created = await client.try_on(*await upload_samples(client))
    url = f"{shop.stack.url('kiosk-gateway')}/api/gen/job/{created.job_id}"
    async with aiohttp.ClientSession(headers=await token_headers(shop)) as session:
        status, etag = "queued", ""
        while status not in {"completed", "failed"}:
            # Each answer differs from the one before: nothing is polled in vain.
            async with session.get(url, params={"wait": "10"}, headers={"If-None-Match": etag}) as response:
                assert response.status == 200
                assert response.headers["ETag"] != etag
                etag, status = response.headers["ETag"], (await response.json())["status"]
    assert status == "completed"


async def test_a_repeated_post_gives_the_same_job_and_costs_once(shop: Shop, client: ClosetClient) -> None:
    person, garment = await upload_samples(client)
    created = await asyncio.gather(*(client.try_on(person, garment, idempotency_key="once") for _ in range(5)))
    assert len({one.job_id for one in created}) == 1
    await settled(client, created[0].job_id)
    with pytest.raises(ApiProblem) as refused:
        await client.try_on(garment, person, idempotency_key="once")
    assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")
    assert (await shop.ledger()).balance == 95


async def token_headers(shop: Shop) -> dict[str, str]:
    url = f"{shop.stack.url('kiosk-gateway')}/api/auth/token"
    headers = {"Authorization": f"Bearer {shop.tenant.api_key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"userId": "shopper-1"}, headers=headers) as response,
    ):
        return {"Authorization": f"Bearer {(await response.json())['accessToken']}"}
