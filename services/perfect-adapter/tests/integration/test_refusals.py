"""Creations that the vendor refuses, throttles, does not hear, or leaves in doubt: at most one task, and a true end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_devstack.testing import eventually


async def test_a_definite_no_ends_the_render_and_creates_nothing(start: Any, world: Any) -> None:
    await start()
    await world.vendor.fault("refuse", operation="create", status=400, code="InvalidParameters")
    end = (await world.end(await world.job())).data
    assert (end.code, end.vendor_code, end.retryable) == ("vendor_rejected_request", "InvalidParameters", False)
    assert await world.created() == 0


async def test_a_bad_key_is_not_the_shoppers_fault(start: Any, world: Any) -> None:
    await start(PERFECT_API_KEY="not-ours")
    end = (await world.end(await world.job())).data
    assert (end.code, end.vendor_code, end.retryable) == ("vendor_unavailable", "InvalidApiKey", False)
    assert "nothing is charged" in end.message


async def test_an_empty_account_is_not_the_shoppers_fault(start: Any, world: Any) -> None:
    await start()
    await world.vendor.set_units(1)
    end = (await world.end(await world.job())).data
    assert (end.code, end.vendor_code, end.retryable) == ("vendor_unavailable", "CreditInsufficiency", False)


@pytest.mark.parametrize(
    ("fault", "created"),
    [
        ({"kind": "lost_answer"}, 1),
        ({"kind": "cut"}, 0),
        ({"kind": "refuse", "status": 500, "created": True}, 1),
        ({"kind": "refuse", "status": 503}, 0),
        ({"kind": "slow_answer", "ms": 5000}, 1),
    ],
    ids=["answer lost", "connection cut", "500 after the fact", "503", "no answer in time"],
)
async def test_what_is_in_doubt_is_never_repeated(start: Any, world: Any, fault: dict[str, Any], created: int) -> None:
    await start(PERFECT_TIMEOUT_S=2)
    await world.vendor.fault(operation="create", **fault)
    job_id = await world.job()
    end = (await world.end(job_id)).data
    assert isinstance(end, RenderFailed)
    assert (end.code, end.retryable, end.vendor_calls) == ("vendor_ambiguous", False, 1)
    assert await world.created() == created
    other = await world.job()
    assert isinstance((await world.end(other)).data, RenderSucceeded)
    assert await world.calls() == {"create": 2, "look": 1}
    assert len(await world.heard(job_id)) == 1


async def test_a_vendor_that_is_down_is_waited_for(start: Any, world: Any, wire: Any, pool: Pool) -> None:
    await start(PERFECT_BASE=wire.url, PERFECT_RESULT_HOSTS=wire.url.removeprefix("http://"))
    jobs = [await world.job() for _ in range(3)]
    await eventually(lambda: pool.fetchval("SELECT count(*) FILTER (WHERE code IS NOT NULL) > 0 FROM renders"))
    await wire.open()
    assert all([isinstance((await world.end(job_id)).data, RenderSucceeded) for job_id in jobs])
    assert await world.created() == 3
    assert await pool.fetchval("SELECT strikes FROM lanes") == 0


async def test_a_vendor_that_stays_down_ends_the_render_in_time(start: Any, world: Any, wire: Any) -> None:
    await start(PERFECT_BASE=wire.url)
    job_id = await world.job(deadline=datetime.now(UTC) + timedelta(seconds=4))
    end = (await world.end(job_id)).data
    assert (end.code, end.retryable) == ("vendor_unavailable", False)
    assert [event.type for event in await world.heard(job_id)] == ["closet.render.failed.v1"]


async def test_a_429_pauses_the_lane_for_everybody(start: Any, world: Any, pool: Pool) -> None:
    """Our own count says that there is room; the vendor's says that there is none."""
    await world.vendor.change(quota_calls=4, quota_window_s=1)
    for _ in range(2):
        await start(PERFECT_QUOTA_CALLS=0, PERFECT_QUOTA_WINDOW_S=6)
    jobs = [await world.job() for _ in range(6)]
    assert all([isinstance((await world.end(job_id, timeout=40)).data, RenderSucceeded) for job_id in jobs])
    stats = await world.vendor.stats()
    assert stats["tasksCreated"] == 6
    assert stats["answersByStatus"]["429"] > 0
    assert await pool.fetchval("SELECT sum(calls) FROM renders") == stats["calls"]


async def test_within_our_own_count_the_vendor_never_says_429(start: Any, world: Any) -> None:
    await world.vendor.change(quota_calls=8, quota_window_s=1.5)
    for _ in range(2):
        await start(PERFECT_QUOTA_CALLS=8, PERFECT_QUOTA_WINDOW_S=1.6)
    jobs = [await world.job() for _ in range(12)]
    for job_id in jobs:
        assert isinstance((await world.end(job_id, timeout=40)).data, RenderSucceeded)
    assert "429" not in (await world.vendor.stats())["answersByStatus"]


async def test_the_quota_used_up_until_the_deadline(start: Any, world: Any) -> None:
    await start(PERFECT_QUOTA_CALLS=2)
    first = await world.job()
    await world.end(first)
    late = await world.job(deadline=datetime.now(UTC) + timedelta(seconds=4))
    end = (await world.end(late)).data
    assert (end.code, end.retryable, end.vendor_calls) == ("vendor_saturated", False, 0)
    assert await world.created() == 1
