"""Inputs that cannot be brought: tried again ever more seldom, without calls where none was made, and not for ever."""

from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_devstack.testing import eventually
from closet_storage.objects import ObjectStore, StorageUnavailable
from perfect_adapter.vendor.uploads import InputUploader


async def test_our_storage_away_costs_no_calls_and_few_tries(
    start: Any, world: Any, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inputs have to be read to be uploaded; the first order is made when they can be."""
    get, tries = ObjectStore.get, 0

    async def away(self: ObjectStore, key: str, limit: int) -> bytes:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise StorageUnavailable("away")
        return await get(self, key, limit)

    await start(PERFECT_INPUTS="upload")
    monkeypatch.setattr(ObjectStore, "get", away)
    job_id = await world.job()
    assert isinstance((end := (await world.end(job_id)).data), RenderSucceeded)
    assert end.vendor_calls == 3
    assert tries == 5
    assert await pool.fetchval("SELECT setbacks FROM renders") == 3
    assert await world.calls() == {"file": 1, "create": 1, "look": 1}
    unsent = await pool.fetch("SELECT DISTINCT outcome FROM vendor_calls WHERE NOT sent")
    assert [row["outcome"] for row in unsent] == ["NotMade"]


async def test_an_upload_that_is_not_taken_is_tried_ever_more_seldom_and_then_given_up(
    start: Any, world: Any, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> bool:
        return False

    monkeypatch.setattr(InputUploader, "put", refused)
    await start(PERFECT_INPUTS="upload")
    job_id = await world.job()
    for setbacks in range(1, 8):
        await eventually(lambda n=setbacks: pool.fetchval("SELECT setbacks = $1 FROM renders", n))  # type: ignore[misc]
        due_in = await pool.fetchval("SELECT extract(epoch FROM due_at - now())::float8 FROM renders")
        assert due_in > 0.7 * min(0.5 * 2 ** (setbacks - 1), 30) - 1
        await pool.execute("UPDATE renders SET due_at = now() WHERE state = 'waiting'")
    end = (await world.end(job_id)).data
    assert (type(end), end.code, end.vendor_calls) == (RenderFailed, "vendor_unavailable", 8)
    assert (await world.calls())["file"] == 8


async def test_an_announcement_that_is_definitely_refused_is_not_repeated(start: Any, world: Any) -> None:
    await start(PERFECT_INPUTS="upload")
    await world.vendor.fault("refuse", -1, operation="file", status=400, code="InvalidParameters")
    end = (await world.end(await world.job())).data
    assert (end.code, end.vendor_calls) == ("vendor_rejected_request", 1)


async def test_a_list_of_templates_that_is_refused_is_asked_for_ever_more_seldom(
    start: Any, world: Any, pool: Pool
) -> None:
    await start()
    await world.vendor.fault("refuse", -1, operation="templates", status=404)
    await world.relist_templates()
    await eventually(lambda: pool.fetchval("SELECT failures = 1 FROM template_lists"))
    assert await pool.fetchval("SELECT due_at > now() + interval '40 s' FROM template_lists")
    await pool.execute("UPDATE template_lists SET due_at = now()")
    await eventually(lambda: pool.fetchval("SELECT failures = 2 FROM template_lists"))
    assert await pool.fetchval("SELECT due_at > now() + interval '80 s' FROM template_lists")
    await world.vendor.clear_faults()
    await pool.execute("UPDATE template_lists SET due_at = now()")
    await eventually(
        lambda: pool.fetchval("SELECT failures = 0 AND due_at > now() + interval '23 h' FROM template_lists")
    )
