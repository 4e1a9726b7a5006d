"""Uploads on real parts: the good way, every way to be rejected, and who is told."""

import io
import zlib
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.ids import new_id
from closet_contracts.model import TOLERANT
from closet_contracts.upload import UploadReady, UploadRejected
from closet_contracts.work import WORK
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
    await world.publish(event)
    [told] = await world.answers(event.data.job_id)
    assert (told.tenantid, told.data.user_id) == (world.tenant, "u-1")
    assert (told.causationid, told.correlationid) == (event.id, event.data.job_id)
    assert told.traceparent.split("-")[1] == event.traceparent.split("-")[1]


async def test_inputs_of_work_of_a_kind_that_a_newer_release_knows_are_checked_all_the_same(
    start: Any, world: Any
) -> None:
    await start()
    event = world.accepted(await world.upload(person_jpeg()))
    work = WORK.validate_python({"kind": "shoes", "laces": True}, context=TOLERANT)
    await world.publish(replace(event, data=event.data.model_copy(update={"work": work})))
    [told] = await world.answers(event.data.job_id)
    assert isinstance(told.data, UploadReady)


async def test_every_waiting_job_is_told_once_and_later_ones_at_once(start: Any, world: Any, pool: Pool) -> None:
    upload_id = await world.place(person_jpeg())
    events = [world.accepted(upload_id) for _ in range(5)]
    await world.publish(*events, *events)
    await start()
    for event in events:
        [told] = await world.answers(event.data.job_id)
        assert told.data.asset.key == input_key(world.tenant, upload_id, "jpg")
    later = await world.job(upload_id, upload_id)
    assert [type(event.data) for event in await world.answers(later)] == [UploadReady]
    assert await pool.fetchval("SELECT count(*) FROM waiting_jobs") == 0
    assert [len(await world.events(event.data.job_id)) for event in events] == [1] * 5


async def test_two_replicas_share_the_work_and_tell_once(start: Any, world: Any) -> None:
    await start()
    await start()
    uploads = [await world.upload(person_jpeg()) for _ in range(6)]
    events = [world.accepted(one, other) for one in uploads for other in uploads if one < other]
    await world.publish(*events)
    for event in events:
        told = await world.answers(event.data.job_id, 2)
        assert {one.data.upload_id for one in told} == {item.upload_id for item in event.data.inputs}
    assert [len(await world.events(event.data.job_id)) for event in events] == [2] * len(events)


async def test_what_was_never_uploaded_is_missing_and_may_still_come(start: Any, world: Any, pool: Pool) -> None:
    await start()
    upload_id = new_id("upl")
    signed = await world.sign_put(upload_id)
    assert await world.code(await world.job(upload_id)) == "input_missing"
    assert await pool.fetchval("SELECT count(*) FROM uploads") == 0
    await world.put(signed, person_jpeg())
    [told] = await world.answers(await world.job(upload_id))
    assert isinstance(told.data, UploadReady)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def _edited() -> bytes:
    """As an editor leaves it: linear light, half of it erased, and a history that is larger than the picture."""
    image = Image.new("RGBA", (640, 480), (64, 64, 64, 255))
    image.paste((200, 30, 60, 0), (0, 0, 320, 480))
    out = io.BytesIO()
    image.save(out, "PNG")
    data = out.getvalue()
    history = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<tiff:Orientation>6</tiff:Orientation>" * 100_000)
    said = _chunk(b"iTXt", history) + _chunk(b"gAMA", (100_000).to_bytes(4)) + _chunk(b"tEXt", b"no end of its name")
    return data[:33] + said + data[33:]


async def test_a_job_gets_what_a_browser_shows_of_a_picture(start: Any, world: Any) -> None:
    await start()
    [told] = await world.answers(await world.job(await world.upload(_edited(), "image/png")))
    asset = told.data.asset
    assert (asset.content_type, asset.width, asset.height) == ("image/png", 640, 480)
    made = Image.open(io.BytesIO(await world.objects.get(asset.key, 1 << 24)))
    # IEC 61966-2-1: a quarter of the light is 137 of 255.
    assert (made.getpixel((600, 100)), made.getpixel((10, 100))) == ((137, 137, 137, 255), (255, 255, 255, 0))


@pytest.mark.parametrize("progressive", [False, True])
async def test_a_motion_photo_is_its_photo(start: Any, world: Any, progressive: bool) -> None:
    await start()
    out = io.BytesIO()
    Image.open(io.BytesIO(person_jpeg())).save(out, "JPEG", progressive=progressive)
    film = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + b"\xff\xda\xff\xc4\x12" * 100_000
    [told] = await world.answers(await world.job(await world.upload(out.getvalue()[:-2] + film)))
    assert isinstance(told.data, UploadReady)


def _bomb() -> bytes:
    """A PNG of a few kilobytes that says it has 400 million pixels."""
    head = (20_000).to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _tiny() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 40)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GIF89a and so on", "not_a_picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "unsupported_picture_format"),
        (b"", "not_a_picture"),
        (b"\xff\xd8\xff\xe0 no picture either", "picture_damaged"),
        (person_jpeg()[:2000], "picture_damaged"),
        (_bomb(), "decompression_bomb"),
        (_tiny(), "picture_too_small"),
        (bytes(10 * 1024 * 1024 + 1), "input_too_large"),
    ],
    ids=["gif", "heic", "empty", "jpeg in name", "cut off", "bomb", "tiny", "too large"],
)
async def test_what_is_no_usable_picture_is_rejected_for_good(start: Any, world: Any, data: bytes, code: str) -> None:
    await start()
    upload_id = await world.place(data)
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
    await world.publish(mine, theirs)
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
    assert await world.put(signed, person_jpeg()[::-1]) == 200
    [second] = await world.answers(await world.job(upload_id))
    assert second.data.asset == first.data.asset
    stored = await world.objects.get(first.data.asset.key, 1 << 24)
    assert Image.open(io.BytesIO(stored)).size == (960, 1280)
