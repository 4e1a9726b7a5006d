"""What a client put and nobody needs goes within a day: unused, put again after the check, put under a late URL."""

from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.ids import new_id
from closet_devstack.samples import person_jpeg
from closet_devstack.testing import eventually


async def _make_due(pool: Pool) -> None:
    await pool.execute("UPDATE put_urls SET due_at = now(), expires_at = least(expires_at, now())")


async def test_an_upload_that_no_job_uses_is_removed_within_a_day(start: Any, world: Any, pool: Pool) -> None:
    first = await start()
    upload_id = await world.upload(person_jpeg())
    assert await world.raw(upload_id)
    assert await pool.fetchval("SELECT due_at < now() + interval '1 day' FROM put_urls")
    await first.aclose()
    await _make_due(pool)
    await start()  # sweeps at its start
    await eventually(lambda: _is_gone(world, upload_id))
    await eventually(lambda: pool.fetchval("SELECT count(*) = 0 FROM put_urls"))
    assert await world.code(await world.job(upload_id)) == "input_missing"


async def test_what_is_put_again_after_the_check_is_removed_once_no_url_lets_it_in(
    start: Any, world: Any, pool: Pool
) -> None:
    first = await start()
    upload_id = new_id("upl")
    signed = await world.sign_put(upload_id)
    await world.put(signed, person_jpeg())
    [told] = await world.answers(await world.job(upload_id))
    await eventually(lambda: _is_gone(world, upload_id))
    assert await world.put(signed, person_jpeg()) == 200
    assert await pool.fetchval("SELECT due_at > expires_at AND due_at < expires_at + interval '1 hour' FROM put_urls")
    await first.aclose()
    await _make_due(pool)
    await start()
    await eventually(lambda: _is_gone(world, upload_id))
    assert await world.objects.head(told.data.asset.key) is not None, "the checked picture stays"


async def test_a_url_that_is_signed_once_more_starts_its_time_anew(start: Any, world: Any, pool: Pool) -> None:
    await start()
    upload_id = await world.upload(person_jpeg())
    await _make_due(pool)
    await world.sign_put(upload_id)
    assert await pool.fetchval("SELECT due_at > now() AND due_at < now() + interval '1 day' FROM put_urls")
    assert await pool.fetchval("SELECT expires_at > now() FROM put_urls")


async def test_an_upload_that_a_job_waits_for_is_not_taken_from_it(start: Any, world: Any, pool: Pool) -> None:
    first = await start()
    kept, unused = await world.upload(person_jpeg()), await world.upload(person_jpeg())
    await first.aclose()
    await _make_due(pool)
    await pool.execute(
        """
        INSERT INTO uploads (upload_id, tenant_id, user_id, wanted_until, due_at)
        VALUES ($1, $2, 'u-1', now() + interval '1 hour', now() + interval '1 hour')
        """,
        kept,
        world.tenant,
    )
    await start()
    await eventually(lambda: _is_gone(world, unused))
    assert await world.raw(kept)


@pytest.mark.parametrize("tag", ["closet=upload", ""])
async def test_uploads_are_marked_for_the_bucket_s_own_rule(start: Any, world: Any, tag: str) -> None:
    await start(**({} if tag else {"S3_UPLOAD_TAG": ""}))
    assert (await world.sign_put(new_id("upl"))).headers.get("x-amz-tagging", "") == tag


async def _is_gone(world: Any, upload_id: str) -> bool:
    return not await world.raw(upload_id)
