"""Masks come through with the values and the size that they were drawn in."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from closet_chassis.postgres import Pool
from closet_contracts.envelope import Event
from closet_contracts.generation import Input
from closet_contracts.job import JobAccepted
from closet_contracts.work import Edit, Role
from closet_devstack.samples import person_jpeg
from closet_storage.keys import input_key
from PIL import Image
from upload_signer import store
from upload_signer.domain import Owner


def mask_png() -> bytes:
    image = Image.new("L", (300, 200))
    image.putdata([x % 256 for x in range(300 * 200)])
    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG")
    return out.getvalue()


def an_edit(world: Any, image: str, mask: str) -> Event[JobAccepted]:
    event: Event[JobAccepted] = world.accepted()
    inputs = (Input(role=Role.IMAGE, upload_id=image), Input(role=Role.MASK, upload_id=mask))
    return replace(event, data=event.data.model_copy(update={"work": Edit(prompt="a bow"), "inputs": inputs}))


async def test_a_mask_stays_as_it_was_drawn(start: Any, world: Any) -> None:
    await start()
    raw = mask_png()
    image, mask = await world.upload(person_jpeg()), await world.upload(raw, "image/png")
    event = an_edit(world, image, mask)
    await world.say(event)
    told = {each.data.upload_id: each.data.asset for each in await world.answers(event.data.job_id, 2)}
    assert told[image].content_type == "image/jpeg"
    asset = told[mask]
    assert (asset.key, asset.content_type) == (input_key(world.tenant, mask, "png"), "image/png")
    assert (asset.width, asset.height) == (300, 200)
    stored = Image.open(io.BytesIO(await world.objects.get(asset.key, 1 << 24)))
    assert stored.mode == "L"
    assert stored.tobytes() == Image.open(io.BytesIO(raw)).convert("L").tobytes()


async def test_it_is_a_mask_if_any_waiting_job_says_so(pool: Pool) -> None:
    owner, until = Owner("acme", "u-1"), datetime.now(UTC) + timedelta(minutes=15)
    async with pool.acquire() as conn, conn.transaction():
        for is_mask in (False, True, False):
            await store.want(conn, {"upl_1": is_mask, "upl_2": False}, owner, until)
        checks = await store.claim(conn, uuid4(), 15, 9)
    assert {check.upload_id: check.is_mask for check in checks} == {"upl_1": True, "upl_2": False}
