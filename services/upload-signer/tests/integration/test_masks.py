"""Masks come through with the values and the size that they were drawn in."""

import asyncio
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.envelope import Event
from closet_contracts.generation import Input
from closet_contracts.ids import new_id
from closet_contracts.job import JobAccepted
from closet_contracts.ownership import Service
from closet_contracts.upload import Asset, UploadRejected
from closet_contracts.work import Edit, Role
from closet_devstack.samples import person_jpeg
from closet_devstack.testing import eventually
from closet_messaging.inbox import handle_batch
from closet_messaging.transaction import transaction
from closet_storage.keys import input_key
from PIL import Image
from upload_signer import store
from upload_signer.domain import Owner, pictures_of_masks
from upload_signer.store import ClaimRequest
from upload_signer.subscriptions import subscriptions
from upload_signer.worker import Outcome, Unavailable, UploadChecker, _write


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def mask_png() -> bytes:
    """Every grey there is, in the shape of the person's photo, which is 960 by 1280 when it is upright."""
    image = Image.new("L", (300, 400))
    image.putdata([x % 256 for x in range(300 * 400)])
    return png(image.convert("RGB"))


def an_edit(world: Any, image: str, mask: str) -> Event[JobAccepted]:
    event: Event[JobAccepted] = world.accepted()
    inputs = (Input(role=Role.IMAGE, upload_id=image), Input(role=Role.MASK, upload_id=mask))
    return replace(event, data=event.data.model_copy(update={"work": Edit(prompt="a bow"), "inputs": inputs}))


async def test_a_mask_stays_as_it_was_drawn(start: Any, world: Any) -> None:
    await start()
    raw = mask_png()
    image, mask = await world.upload(person_jpeg()), await world.upload(raw, "image/png")
    event = an_edit(world, image, mask)
    await world.publish(event)
    told = {each.data.upload_id: each.data.asset for each in await world.answers(event.data.job_id, 2)}
    assert told[image].content_type == "image/jpeg"
    asset = told[mask]
    assert (asset.key, asset.content_type) == (input_key(world.tenant, mask, "png"), "image/png")
    assert (asset.width, asset.height) == (300, 400)
    stored = Image.open(io.BytesIO(await world.objects.get(asset.key, 1 << 24)))
    assert stored.mode == "L"
    assert stored.tobytes() == Image.open(io.BytesIO(raw)).convert("L").tobytes()


async def test_it_is_a_mask_if_any_waiting_job_says_so(pool: Pool) -> None:
    owner, until = Owner("acme", "u-1"), datetime.now(UTC) + timedelta(minutes=15)
    async with pool.acquire() as conn, conn.transaction():
        for is_mask in (False, True, False):
            await store.upsert_pending(conn, {"upl_1": is_mask, "upl_2": False}, owner, until)
        checks = await store.claim(conn, ClaimRequest(uuid4(), 15, 9, tenant_limit=9))
    assert {check.upload_id: check.is_mask for check in checks} == {"upl_1": True, "upl_2": False}


def white(width: int, height: int) -> bytes:
    return png(Image.new("L", (width, height), 255))


def rejected(events: list[Event[Any]]) -> dict[str, str]:
    return {each.data.upload_id: each.data.code for each in events if isinstance(each.data, UploadRejected)}


@pytest.mark.parametrize("size", [(960, 1280), (961, 1280), (480, 640), (1500, 2000), (97, 129)])
async def test_a_mask_of_its_picture_s_shape_may_select_all_of_it(
    start: Any, world: Any, size: tuple[int, int]
) -> None:
    await start()
    image, mask = await world.upload(person_jpeg()), await world.upload(white(*size), "image/png")
    event = an_edit(world, image, mask)
    await world.publish(event)
    assert rejected(await world.answers(event.data.job_id, 2)) == {}


@pytest.mark.parametrize("size", [(1280, 960), (960, 1200), (1000, 1000), (300, 200)])
async def test_a_mask_of_another_shape_is_rejected(start: Any, world: Any, size: tuple[int, int]) -> None:
    await start()
    image, mask = await world.upload(person_jpeg()), await world.upload(white(*size), "image/png")
    event = an_edit(world, image, mask)
    await world.publish(event)
    assert rejected(await world.answers(event.data.job_id, 2)) == {mask: "mask_does_not_fit"}
    # Of uploads that are settled it is known at once; the same mask may fit another picture.
    again = an_edit(world, image, mask)
    fitting = an_edit(world, await world.upload(png(Image.new("RGB", size))), mask)
    if min(size) >= 384:
        await world.publish(again, fitting)
        assert rejected(await world.answers(again.data.job_id, 2)) == {mask: "mask_does_not_fit"}
        assert rejected(await world.answers(fitting.data.job_id, 2)) == {}


async def test_a_mask_that_selects_nothing_is_rejected(start: Any, world: Any) -> None:
    await start()
    image, mask = await world.upload(person_jpeg()), await world.upload(png(Image.new("L", (960, 1280), 20)))
    event = an_edit(world, image, mask)
    await world.publish(event)
    events = await world.answers(event.data.job_id, 2)
    assert rejected(events) == {mask: "mask_selects_nothing"}
    assert "white" in next(each.data.message for each in events if isinstance(each.data, UploadRejected))


async def test_a_mask_whose_picture_never_came_is_not_to_blame(start: Any, world: Any) -> None:
    await start()
    event = an_edit(world, new_id("upl"), await world.upload(white(10, 10), "image/png"))
    await world.publish(event)
    assert set(rejected(await world.answers(event.data.job_id, 2)).values()) == {"input_missing"}


async def test_of_a_mask_and_its_picture_settled_at_once_the_later_speaks(pool: Pool, start: Any, world: Any) -> None:
    """Two transactions that do not see each other: the second waits until it can see the first."""
    image, mask, event = await _waiting(pool, world)
    async with pool.acquire() as conn, conn.transaction():
        checks = {
            check.upload_id: check for check in await store.claim(conn, ClaimRequest(uuid4(), 60, 9, tenant_limit=9))
        }
    async with transaction(pool, _Nobody()) as tx:
        await _write(tx, [Outcome(checks[image], _asset(960, 1280), None)])
        other = asyncio.create_task(_checker(pool)._record([Outcome(checks[mask], _asset(300, 200), None)]))
        await eventually(lambda: pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))
    assert list(await other) == [True]
    assert await pool.fetchval("SELECT count(*) FROM waiting_jobs") == 0
    await start()  # its relay publishes what they have left
    assert rejected(await world.answers(event.data.job_id, 2)) == {mask: "mask_does_not_fit"}
    assert len(await world.events(event.data.job_id)) == 2


@pytest.mark.parametrize("first", ["image", "mask"])
async def test_the_first_to_be_settled_does_not_speak_for_the_pair(pool: Pool, world: Any, first: str) -> None:
    image, mask, _ = await _waiting(pool, world)
    checker = _checker(pool)
    async with pool.acquire() as conn, conn.transaction():
        checks = {
            check.upload_id: check for check in await store.claim(conn, ClaimRequest(uuid4(), 60, 9, tenant_limit=9))
        }
    order = [image, mask] if first == "image" else [mask, image]
    await checker._record([Outcome(checks[order[0]], _asset(960, 1280), None)])
    assert [row["upload_id"] for row in await pool.fetch("SELECT upload_id FROM waiting_jobs")] == (
        [mask] if first == "image" else sorted([image, mask])
    )
    await checker._record([Outcome(checks[order[1]], _asset(960, 1280), None)])
    assert await pool.fetchval("SELECT count(*) FROM waiting_jobs") == 0
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 2


async def test_a_mask_does_not_wait_for_a_picture_that_nobody_wants_any_more(pool: Pool, world: Any) -> None:
    image, mask, _ = await _waiting(pool, world)
    checker = _checker(pool)
    async with pool.acquire() as conn, conn.transaction():
        checks = {
            check.upload_id: check for check in await store.claim(conn, ClaimRequest(uuid4(), 60, 9, tenant_limit=9))
        }
    await checker._record([Outcome(checks[mask], _asset(960, 1280), None)])
    await pool.execute("UPDATE uploads SET wanted_until = now() WHERE upload_id = $1", image)
    await checker._record([Outcome(checks[image], Unavailable(30), None)])
    assert await pool.fetchval("SELECT count(*) FROM waiting_jobs") == 0


def test_a_mask_belongs_to_the_pictures_of_its_items() -> None:
    def each(role: Role, name: str, item: int) -> Input:
        return Input(role=role, upload_id=f"upl_{name * 32}", item=item)

    a, b, m = ("upl_" + name * 32 for name in "abf")
    inputs = [each(Role.IMAGE, "a", 0), each(Role.MASK, "f", 0), each(Role.IMAGE, "b", 1), each(Role.IMAGE, "b", 2)]
    assert pictures_of_masks(inputs) == {m: {a}}
    assert pictures_of_masks([*inputs, each(Role.MASK, "f", 2)]) == {m: {a, b}}
    assert pictures_of_masks([each(Role.PERSON, "a", 0)]) == {}


async def _waiting(pool: Pool, world: Any) -> tuple[str, str, Event[JobAccepted]]:
    """A job that waits for a picture and its mask, which nobody checks yet."""
    image, mask = sorted((new_id("upl"), new_id("upl")))
    event = an_edit(world, image, mask)
    await handle_batch(pool, _Nobody(), subscriptions(lambda: None), [event])
    return image, mask, event


class _Nobody:
    service = Service.UPLOAD_SIGNER

    def enqueue(self, rows: Any) -> None:
        """Leave them to the sweeper."""


def _checker(pool: Pool) -> UploadChecker:
    neither: Any = None
    return UploadChecker(lambda: transaction(pool, _Nobody()), objects=neither, pictures=neither)


def _asset(width: int, height: int) -> Asset:
    return Asset(key="k", content_type="image/png", width=width, height=height, size_bytes=1, sha256="0" * 64)
