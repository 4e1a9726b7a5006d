"""Uploads on real parts: the good way, every way to be rejected, and who is told."""

import io
import zlib
from functools import partial
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.ids import new_id
from closet_contracts.upload import UploadReady, UploadRejected
from closet_devstack.samples import garment_png, person_jpeg
from closet_devstack.testing import eventually
from closet_storage.keys import input_key, upload_key
from PIL import Image


async def test_a_phone_photo_and_a_garment_become_inputs(start: Any, world: Any) -> None:
    await start()
    person, garment = await world.upload(person_jpeg()), await world.upload(garment_png(), "image/png")
    job_id = await world.job(person, garment)
    told = {event.data.upload_id: event for event in await world.answers(job_id, 2)}
    assert {type(event.data) for event in told.values()} == {UploadReady}
    assets = {upload_id: event.data.asset for upload_id, event in told.items()}
    assert assets[person].key == input_key(world.tenant, person, "jpg")
    assert assets[garment].key == input_key(world.tenant, garment, "png")
    assert (assets[person].width, assets[person].height) == (960, 1280)  # upright
    stored = await world.objects.get(assets[person].key, 1 << 24)
    assert len(stored) == assets[person].size_bytes
    assert not Image.open(io.BytesIO(stored)).getexif()
    info = await world.objects.head(assets[person].key)
    assert (info.content_type, info.encryption) == ("image/jpeg", "AES256")
    for upload_id in (person, garment):
        await eventually(partial(_gone, world, upload_id))


async def _gone(world: Any, upload_id: str) -> bool:
    return not await world.raw(upload_id)


async def test_events_carry_owner_cause_and_trace(start: Any, world: Any) -> None:
    await start()
    event = world.accepted(await world.upload(person_jpeg()))
    await world.say(event)
    [told] = await world.answers(event.data.job_id)
    assert (told.tenantid, told.data.user_id) == (world.tenant, "u-1")
    assert (told.causationid, told.correlationid) == (event.id, event.data.job_id)
    assert told.traceparent.split("-")[1] == event.traceparent.split("-")[1]


async def test_every_waiting_job_is_told_once_and_later_ones_at_once(start: Any, world: Any, pool: Pool) -> None:
    upload_id = await world.place(person_jpeg())
    events = [world.accepted(upload_id) for _ in range(5)]
    await world.say(*events, *events)
    await start()
    for event in events:
        [told] = await world.answers(event.data.job_id)
        assert told.data.asset.key == input_key(world.tenant, upload_id, "jpg")
    later = await world.job(upload_id, upload_id)
    assert [type(event.data) for event in await world.answers(later)] == [UploadReady]
    assert await pool.fetchval("SELECT count(*) FROM waiting_jobs") == 0
    assert [len(await world.heard(event.data.job_id)) for event in events] == [1] * 5


async def test_two_replicas_share_the_work_and_tell_once(start: Any, world: Any) -> None:
    await start()
    await start()
    uploads = [await world.upload(person_jpeg()) for _ in range(6)]
    events = [world.accepted(one, other) for one in uploads for other in uploads if one < other]
    await world.say(*events)
    for event in events:
        told = await world.answers(event.data.job_id, 2)
        assert {one.data.upload_id for one in told} == {item.upload_id for item in event.data.inputs}
    assert [len(await world.heard(event.data.job_id)) for event in events] == [2] * len(events)


async def test_what_was_never_uploaded_is_missing_and_may_still_come(start: Any, world: Any, pool: Pool) -> None:
    await start()
    upload_id = new_id("upl")
    signed = await world.sign_put(upload_id)
    assert await world.code(await world.job(upload_id)) == "input_missing"
    assert await pool.fetchval("SELECT count(*) FROM uploads") == 0
    await world.put(signed, person_jpeg())
    [told] = await world.answers(await world.job(upload_id))
    assert isinstance(told.data, UploadReady)


def _bomb() -> bytes:
    """A PNG of a few kilobytes that says it has 400 million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    head = (20_000).to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _tiny() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 40)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GIF89a and so on", "not_a_picture"),
        (b"", "not_a_picture"),
        (b"\xff\xd8\xff\xe0 no picture either", "picture_damaged"),
        (person_jpeg()[:2000], "picture_damaged"),
        (_bomb(), "decompression_bomb"),
        (_tiny(), "picture_too_small"),
        (bytes(10 * 1024 * 1024 + 1), "input_too_large"),
    ],
    ids=["gif", "empty", "jpeg in name", "cut off", "bomb", "tiny", "too large"],
)
async def test_what_is_no_usable_picture_is_rejected_for_good(start: Any, world: Any, data: bytes, code: str) -> None:
    await start()
    upload_id = await world.upload(data)
    job_id = await world.job(upload_id)
    [told] = await world.answers(job_id)
    assert isinstance(told.data, UploadRejected)
    assert told.data.code == code
    assert told.data.message.endswith(".")
    await eventually(partial(_gone, world, upload_id))
    await world.objects.put(upload_key(world.tenant, upload_id), person_jpeg(), "image/jpeg")
    assert await world.code(await world.job(upload_id)) == code


async def test_somebody_elses_upload_is_not_found(start: Any, world: Any) -> None:
    await start()
    upload_id = await world.upload(person_jpeg())
    await world.answers(await world.job(upload_id))
    assert await world.code(await world.job(upload_id, user_id="u-2")) == "input_not_found"
    assert await world.code(await world.job(upload_id, tenant=f"{world.tenant}-2")) == "input_not_found"


async def test_an_upload_that_is_being_checked_is_its_first_owners(start: Any, world: Any) -> None:
    upload_id = await world.place(person_jpeg())
    mine = world.accepted(upload_id)
    theirs = world.accepted(upload_id, user_id="u-2")
    await world.say(mine, theirs)
    await start()
    [ready] = await world.answers(mine.data.job_id)
    assert isinstance(ready.data, UploadReady)
    assert await world.code(theirs.data.job_id) == "input_not_found"


async def test_bytes_put_after_the_check_change_nothing(start: Any, world: Any) -> None:
    await start()
    upload_id = new_id("upl")
    signed = await world.sign_put(upload_id)
    await world.put(signed, person_jpeg())
    [first] = await world.answers(await world.job(upload_id))
    await eventually(partial(_gone, world, upload_id))
    await world.put(signed, b"something else altogether")
    [second] = await world.answers(await world.job(upload_id))
    assert second.data.asset == first.data.asset
    stored = await world.objects.get(first.data.asset.key, 1 << 24)
    assert Image.open(io.BytesIO(stored)).size == (960, 1280)
