"""The failing ways end well: a stable code, a sentence for a person, and nothing is charged."""

import io
import struct
import zlib
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from closet_client import ApiProblem, ClosetClient, Job, UploadTicket
from closet_devstack import samples
from closet_devstack.shop import Shop, settled, upload_samples
from closet_devstack.testing import eventually
from PIL import Image

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeShop = Callable[[int], Awaitable[Shop]]


async def failed_with(shop: Shop, client: ClosetClient, person: UploadTicket, garment: UploadTicket) -> Job:
    """The job that these inputs make, when it has failed and cost nothing."""
    job = await settled(client, (await client.try_on(person, garment)).job_id)
    assert job.status == "failed"
    assert job.error_message
    assert job.error_message.endswith(".")
    assert job.credits_charged is None
    assert job.result_urls == ()
    await shop.rests_at(100)
    return job


def bomb() -> bytes:
    """A small PNG that says it is 30,000 by 30,000 pixels, and is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = 30_000
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def truncated() -> bytes:
    return samples.person_jpeg()[:20_000]


def tiny() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


async def test_without_consent(shop: Shop) -> None:
    async with shop.shopper("shy") as client:
        person, garment = await upload_samples(client)
        with pytest.raises(ApiProblem) as refused:
            await client.try_on(person, garment)
        assert (refused.value.status, refused.value.code) == (403, "consent_required")
        await client.give_consent()
        await client.withdraw_consent()
        with pytest.raises(ApiProblem) as refused:
            await client.try_on(person, garment)
        assert refused.value.code == "consent_required"
    await shop.rests_at(100)


async def test_without_enough_credits(make_shop: MakeShop) -> None:
    shop = await make_shop(4)
    async with shop.shopper() as client:
        await client.give_consent()
        assert not (await client.estimate()).sufficient
        with pytest.raises(ApiProblem) as refused:
            await client.try_on(*await upload_samples(client))
    assert (refused.value.status, refused.value.code) == (402, "insufficient_credits")
    await shop.rests_at(4)


async def test_credits_for_one_of_many_at_once(make_shop: MakeShop) -> None:
    """However the requests race, one is made, the others are refused or fail, and the account is never overdrawn."""
    shop = await make_shop(5)
    async with shop.shopper() as client:
        await client.give_consent()
        person, garment = await upload_samples(client)
        outcomes, refusals = [], []
        for _ in range(6):
            try:
                outcomes.append((await client.try_on(person, garment)).job_id)
            except ApiProblem as problem:
                refusals.append(problem.code)
        jobs = [await settled(client, job_id) for job_id in outcomes]
    assert [job.status == "completed" for job in jobs].count(True) == 1
    assert {job.error_code for job in jobs if job.status != "completed"} | set(refusals) <= {"insufficient_credits"}
    await shop.rests_at(0)


async def test_an_input_that_was_never_uploaded(shop: Shop, client: ClosetClient) -> None:
    garment = await client.upload(samples.garment_png())
    promised = await ticket(shop, {"filename": "me.jpg", "contentType": "image/jpeg", "size": 9})
    assert (await failed_with(shop, client, promised, garment)).error_code == "input_missing"


async def test_a_key_that_is_nobodys_upload(client: ClosetClient) -> None:
    garment = await client.upload(samples.garment_png())
    for key in ("tenant/other/uploads/upl_" + "0" * 32, "../../etc/passwd", garment.key.replace("uploads", "results")):
        with pytest.raises(ApiProblem) as refused:
            await client.try_on(key, garment)
        assert (refused.value.status, refused.value.code) in {(404, "input_not_found"), (422, "invalid_request")}


async def test_more_bytes_than_are_allowed(shop: Shop) -> None:
    asked = {"filename": "me.jpg", "contentType": "image/jpeg", "size": 10 * 1024 * 1024 + 1}
    with pytest.raises(ApiProblem) as refused:
        await ticket(shop, asked)
    assert refused.value.status in {413, 422}
    assert "10 MB" in refused.value.detail


async def test_storage_takes_only_what_was_signed(shop: Shop) -> None:
    data = samples.person_jpeg()
    signed = await ticket(shop, {"filename": "me.jpg", "contentType": "image/jpeg", "size": len(data)})
    async with aiohttp.ClientSession() as session:
        for body, headers in (
            (data + b"more", {**signed.headers, "Content-Length": str(len(data) + 4)}),
            (data, {**signed.headers, "Content-Type": "text/html"}),
        ):
            async with session.put(signed.upload_url, data=body, headers=headers) as response:
                assert response.status == 403
        async with session.put(signed.upload_url, data=data, headers=signed.headers) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: b"<html>not a picture</html>", "not_a_picture"),
        (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "unsupported_picture_format"),
        (bomb, "decompression_bomb"),
        (truncated, "picture_damaged"),
        (tiny, "picture_too_small"),
    ],
    ids=["html", "heic", "bomb", "truncated", "tiny"],
)
async def test_what_is_no_usable_picture(shop: Shop, client: ClosetClient, make: object, code: str) -> None:
    assert callable(make)
    person = await client.upload(make(), content_type="image/jpeg")
    garment = await client.upload(samples.garment_png())
    assert (await failed_with(shop, client, person, garment)).error_code == code


@pytest.mark.parametrize(
    ("size", "shade", "code"),
    [((960, 1280), 0, "mask_selects_nothing"), ((1280, 960), 255, "mask_does_not_fit")],
    ids=["black", "another shape"],
)
async def test_a_mask_that_would_do_nothing(
    shop: Shop, client: ClosetClient, size: tuple[int, int], shade: int, code: str
) -> None:
    drawn = io.BytesIO()
    Image.new("L", size, shade).save(drawn, "PNG")
    picture, mask = await client.upload(samples.person_jpeg()), await client.upload(drawn.getvalue())
    job = await settled(client, (await client.edit(picture, "a beach", mask=mask)).job_id)
    assert (job.status, job.error_code, job.credits_charged) == ("failed", code, None)
    assert "mask" in (job.error_message or "")
    await shop.rests_at(100)


async def test_no_url_takes_bytes_without_end(shop: Shop) -> None:
    with pytest.raises(ApiProblem) as refused:
        await ticket(shop, {"filename": "me.jpg", "contentType": "image/jpeg"})
    assert (refused.value.status, refused.value.code) == (422, "size_required")
    signed = await ticket(shop, {"filename": "me.jpg", "contentType": "image/jpeg", "size": 10 * 1024 * 1024})
    headers = {name: value for name, value in signed.headers.items() if name != "Content-Length"}
    body = io.BytesIO(bytes(11 * 1024 * 1024))
    async with (
        aiohttp.ClientSession() as session,
        session.put(signed.upload_url, data=body, headers=headers) as response,
    ):
        assert response.status == 403


async def test_no_person_in_the_photo(shop: Shop, client: ClosetClient) -> None:
    """The vendor says so with HTTP 200: its engine failed, no unit was charged."""
    before = (await shop.stack.vendor.stats())["unitsCharged"]
    person = await client.upload(samples.blank_jpeg())
    garment = await client.upload(samples.garment_png())
    assert (await failed_with(shop, client, person, garment)).error_code == "person_not_found"
    assert (await shop.stack.vendor.stats())["unitsCharged"] == before


async def test_the_vendor_is_away_for_a_while(shop: Shop, client: ClosetClient) -> None:
    person, garment = await upload_samples(client)
    await shop.stack.kill("perfect")
    try:
        created = await client.try_on(person, garment)

        async def dispatched() -> bool:
            return any(
                event.type == "closet.job.dispatched.v1" for event in (await client.job(created.job_id)).timeline
            )

        await eventually(dispatched)
    finally:
        await shop.stack.start("perfect")
        await shop.stack.start_service("perfect-adapter", 1)  # tells the new sandbox where webhooks go
    job = await settled(client, created.job_id)
    assert (job.status, job.credits_charged) == ("completed", 5)


async def ticket(shop: Shop, asked: dict[str, object]) -> UploadTicket:
    """An upload URL, asked for by hand."""
    base = shop.stack.url("kiosk-gateway") + "/api"
    async with aiohttp.ClientSession() as session:
        key = {"Authorization": f"Bearer {shop.tenant.api_key}"}
        async with session.post(f"{base}/auth/token", json={"userId": "shopper-1"}, headers=key) as response:
            token = {"Authorization": f"Bearer {(await response.json())['accessToken']}"}
        async with session.post(f"{base}/gen/upload-url", json=asked, headers=token) as response:
            body = await response.json()
            if response.status != 200:
                raise ApiProblem(response.status, body["code"], body["detail"], body.get("traceId"))
            return UploadTicket.model_validate(body)
