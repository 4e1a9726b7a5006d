"""Every row of the table of failures, produced by the vendor's sandbox: our code, whether to try again, a sentence."""

from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.render import RenderFailed
from closet_contracts.work import TextToImage
from closet_devstack.testing import eventually
from perfect_adapter.vendor.errors import ENGINE_FAILURES, REQUEST_FAILURES
from perfect_adapter.vendor.keys import is_about_the_key

REFUSED = {code: 401 if "ApiKey" in code or "Token" in code else 400 for code in REQUEST_FAILURES}
REFUSED["InvalidTaskId"] = 400
ABOUT_US = [code for code, status in REFUSED.items() if is_about_the_key(status, code)]


async def fails(world: Any, **details: Any) -> RenderFailed:
    end = (await world.end(await world.job(work=TextToImage(prompt="a hat"), inputs=(), **details))).data
    assert isinstance(end, RenderFailed), end
    return end


async def test_every_error_of_the_engine(start: Any, world: Any, pool: Pool) -> None:
    await start()
    for code, failure in ENGINE_FAILURES.items():
        await world.vendor.fault("engine_error", code=code)
        end = await fails(world)
        assert (end.vendor_code, end.code, end.retryable) == (code, failure.code, failure.retryable)
        assert (end.message, end.tip) == (failure.message, failure.tip)
        await pool.execute("UPDATE circuits SET failures = 0, open_until = 'epoch'")


@pytest.mark.parametrize("code", sorted(REFUSED.keys() - set(ABOUT_US) - {"InvalidTaskId"}))
async def test_every_refusal_of_a_request(start: Any, world: Any, code: str) -> None:
    await start()
    await world.vendor.fault("refuse", operation="create", status=REFUSED[code], code=code)
    end = await fails(world)
    expected = REQUEST_FAILURES[code]
    assert (end.vendor_code, end.code, end.retryable, end.message) == (code, expected.code, False, expected.message)
    assert await world.created() == 0


@pytest.mark.parametrize("code", ABOUT_US)
async def test_every_refusal_of_a_key(start: Any, world: Any, pool: Pool, code: str) -> None:
    """It is about us: the job waits, the key is out, and only time ends it."""
    await world.vendor.fault("refuse", -1, operation="create", status=REFUSED[code], code=code)
    await world.vendor.fault("refuse", -1, operation="credit", status=REFUSED[code], code=code)
    await start()
    job_id = await world.job(work=TextToImage(prompt="a hat"), inputs=())
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM parties WHERE state = 'out'"))
    await eventually(lambda: pool.fetchval("SELECT state = 'waiting' FROM renders"))
    await world.time_is_over(job_id)
    end = (await world.end(job_id)).data
    assert (end.code, end.retryable) == ("vendor_unavailable", False)
    assert await pool.fetchval("SELECT reason FROM parties WHERE state = 'out'") == code


async def test_a_task_that_is_unknown_when_polled(start: Any, world: Any) -> None:
    await start()
    await world.vendor.fault("refuse", operation="look", status=400, code="InvalidTaskId")
    end = await fails(world)
    assert (end.vendor_code, end.code, end.retryable) == ("InvalidTaskId", "vendor_task_lost", False)


async def test_a_task_that_times_out_ends_alone(start: Any, world: Any, pool: Pool) -> None:
    """The vendor says so at every poll: it is one task, and no reason to open its feature's circuit."""
    await start(PERFECT_POLL_AFTER_S=0.1)
    for _ in range(3):
        await world.vendor.fault("task_timeout")
        end = await fails(world)
        assert (end.vendor_code, end.code, end.retryable) == ("TaskTimeout", "vendor_timed_out", True)
        assert "not about your picture" in end.message
    assert [task["looks"] for task in await world.vendor.tasks()] == [0, 0, 0]
    assert (await world.vendor.stats())["callsByOperation"]["look"] == 6
    assert await pool.fetchval("SELECT max(failures) FROM circuits") == 3
    assert (await world.end(await world.job(work=TextToImage(prompt="a hat"), inputs=()))).data.results


async def test_unknown_codes_survive(start: Any, world: Any) -> None:
    await start()
    await world.vendor.fault("engine_error", code="error_of_next_year")
    end = await fails(world)
    assert (end.vendor_code, end.code, end.retryable) == ("error_of_next_year", "vendor_failed", True)
    await world.vendor.fault("refuse", operation="create", status=422, code="CodeOfNextYear")
    end = await fails(world)
    assert (end.vendor_code, end.code) == ("CodeOfNextYear", "vendor_rejected_request")


async def test_a_feature_that_keeps_failing_is_left_alone_and_the_others_go_on(
    start: Any, world: Any, pool: Pool
) -> None:
    await start(PERFECT_ORDERS_AT_ONCE=1)
    await world.vendor.fault("engine_error", 5, code="error_inference", feature="text-to-image")
    for _ in range(5):
        assert (await fails(world)).retryable
    waiting = await world.job(work=TextToImage(prompt="a hat"), inputs=())
    await world.end(await world.job())
    assert await pool.fetchval("SELECT state FROM renders WHERE job_id = $1", waiting) == "waiting"
    await pool.execute("UPDATE circuits SET open_until = now()")
    for _ in range(3):  # half open: what else there is to do takes its probe away from nobody
        await world.end(await world.job())
    others = [await world.job(work=TextToImage(prompt="a hat"), inputs=()) for _ in range(3)]
    for job_id in (waiting, *others):
        await world.end(job_id)
    await eventually(lambda: pool.fetchval("SELECT failures = 0 FROM circuits"))
