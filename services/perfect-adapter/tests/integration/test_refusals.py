"""Creations that the vendor refuses, throttles, never gets, or leaves ambiguous: at most one task, one true end."""

from datetime import UTC, datetime, timedelta
from typing import Any

from closet_chassis.postgres import Pool
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_contracts.work import Concern, Role, SkinAnalysis, TextToImage
from closet_devstack.samples import person_jpeg
from closet_devstack.testing import eventually


async def test_a_definite_no_ends_the_render_and_creates_nothing(start: Any, world: Any) -> None:
    await start()
    await world.vendor.fault("refuse", operation="create", status=400, code="InvalidParameters")
    end = (await world.end(await world.job())).data
    assert (end.code, end.vendor_code, end.retryable) == ("vendor_rejected_request", "InvalidParameters", False)
    assert await world.created() == 0


async def test_a_bad_key_is_not_the_shoppers_fault(start: Any, world: Any, pool: Pool) -> None:
    """The key is out; the job waits for another, and if none comes in time the sentence says whose fault it is."""
    await start(PERFECT_API_KEY="not-ours")
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM parties WHERE state = 'out'"))
    await eventually(lambda: pool.fetchval("SELECT state = 'waiting' FROM renders"))
    await world.time_is_over(job_id)
    end = (await world.end(job_id)).data
    assert (end.code, end.retryable) == ("vendor_unavailable", False)
    assert end.vendor_calls <= 1, "asking about the account may have shown it already"
    assert "nothing is charged" in end.message
    assert await pool.fetchval("SELECT reason FROM parties WHERE state = 'out'") == "InvalidApiKey"


async def test_an_empty_account_takes_its_key_out_until_it_is_filled(start: Any, world: Any, pool: Pool) -> None:
    await start()
    await world.vendor.set_units(0)
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT reason = 'CreditInsufficiency' FROM parties WHERE state = 'out'"))
    await eventually(lambda: pool.fetchval("SELECT state = 'waiting' FROM renders"))
    await world.vendor.set_units(1000)
    await pool.execute("UPDATE parties SET probe_at = now()")
    assert isinstance((await world.end(job_id)).data, RenderSucceeded)
    assert await world.created() == 1
    await eventually(lambda: pool.fetchval("SELECT units BETWEEN 990 AND 1000 FROM parties WHERE kind = 'key'"))


async def test_an_account_that_does_not_suffice_for_an_expensive_task_goes_on_with_cheap_ones(
    start: Any, world: Any, pool: Pool
) -> None:
    await start()
    await world.vendor.set_units(14)
    await pool.execute("UPDATE parties SET probe_at = now() + interval '1 hour'")
    dear = await world.job(
        work=SkinAnalysis(actions=tuple(Concern)[:13]), inputs=[await world.asset(Role.IMAGE, person_jpeg())]
    )
    await eventually(lambda: pool.fetchval("SELECT affordable = 15 FROM parties WHERE kind = 'key'"))
    cheap = await world.job()
    assert isinstance((await world.end(cheap)).data, RenderSucceeded)
    assert await pool.fetchval("SELECT state FROM renders WHERE job_id = $1", dear) == "waiting"
    assert await pool.fetchval("SELECT count(*) FROM parties WHERE state = 'out'") == 0
    await world.vendor.set_units(16)

    async def is_done() -> bool:
        # Again and again: an answer of before the top-up may have been on its way, and puts the next question off.
        await pool.execute("UPDATE parties SET probe_at = now() WHERE probe_at > now()")
        return bool(await pool.fetchval("SELECT state = 'done' FROM renders WHERE job_id = $1", dear))

    await eventually(is_done, every=0.5)
    assert isinstance((await world.end(dear)).data, RenderSucceeded)


async def test_what_costs_no_more_than_is_left_goes(start: Any, world: Any, pool: Pool) -> None:
    """One unit is left: not enough for a try-on."""
    await start()
    await world.vendor.set_units(1)
    try_on = await world.job()
    await eventually(lambda: pool.fetchval("SELECT affordable = 1 FROM parties WHERE kind = 'key'"))
    hat = await world.job(work=TextToImage(prompt="a hat"), inputs=())
    assert isinstance((await world.end(hat)).data, RenderSucceeded)
    assert await pool.fetchval("SELECT state FROM renders WHERE job_id = $1", try_on) == "waiting"


async def test_after_a_cold_start_nothing_is_ordered_that_cannot_be_there_in_time(start: Any, world: Any) -> None:
    """Nobody knows yet how long it takes."""
    await start()
    await world.vendor.change(latency_ms=8000)
    end = (await world.end(await world.job(deadline=datetime.now(UTC) + timedelta(seconds=4)))).data
    assert (end.code, end.retryable, end.vendor_calls) == ("deadline_passed", False, 0)
    assert "time" in end.message
    assert await world.created() == 0


async def test_what_cannot_be_there_in_time_is_not_ordered(start: Any, world: Any) -> None:
    """The vendor has taken eight seconds of late; there are nine, and two are needed besides."""
    await world.took_of_late(8)
    await start()
    end = (await world.end(await world.job(deadline=datetime.now(UTC) + timedelta(seconds=9)))).data
    assert (type(end), end.retryable, end.vendor_calls) == (RenderFailed, False, 0)
    assert await world.created() == 0
    assert isinstance((await world.end(await world.job())).data, RenderSucceeded)


async def test_a_vendor_that_is_down_is_waited_for(start: Any, world: Any, wire: Any, pool: Pool) -> None:
    await start(PERFECT_BASE=wire.url, PERFECT_RESULT_HOSTS=wire.url.removeprefix("http://"))
    jobs = [await world.job() for _ in range(3)]
    await eventually(lambda: pool.fetchval("SELECT count(*) FILTER (WHERE code IS NOT NULL) > 0 FROM renders"))
    await wire.open()
    assert all([isinstance((await world.end(job_id)).data, RenderSucceeded) for job_id in jobs])
    assert await world.created() == 3
    assert await pool.fetchval("SELECT max(strikes) FROM parties") == 0


async def test_a_vendor_that_stays_down_ends_the_render_in_time(start: Any, world: Any, wire: Any, pool: Pool) -> None:
    await start(PERFECT_BASE=wire.url)
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT code IS NOT NULL FROM renders"))
    await world.time_is_over(job_id)
    end = (await world.end(job_id)).data
    assert (end.code, end.retryable) == ("vendor_unavailable", False)
    assert [event.type for event in await world.heard(job_id)] == ["closet.render.failed.v1"]


async def test_a_429_pauses_the_lane_for_everybody(start: Any, world: Any, pool: Pool) -> None:
    """Our own count allows a call; the vendor's does not."""
    await world.vendor.change(quota_calls=4, quota_window_s=3600)
    for _ in range(2):
        await start(PERFECT_QUOTA_CALLS=0, PERFECT_QUOTA_WINDOW_S=6)
    jobs = [await world.job() for _ in range(6)]
    await eventually(lambda: pool.fetchval("SELECT count(*) > 0 FROM parties WHERE strikes > 0"))
    await world.vendor.change(quota_calls=0)
    assert all([isinstance((await world.end(job_id, timeout=40)).data, RenderSucceeded) for job_id in jobs])
    stats = await world.vendor.stats()
    assert stats["tasksCreated"] == 6
    assert stats["answersByStatus"]["429"] > 0
    ours = await pool.fetchval("SELECT count(*) FROM vendor_calls WHERE render_id IS NOT NULL")
    assert ours == sum((await world.calls()).values())


async def test_within_our_own_count_the_vendor_never_says_429(start: Any, world: Any) -> None:
    await world.vendor.change(quota_calls=8, quota_window_s=1.5)
    for _ in range(2):
        await start(PERFECT_QUOTA_CALLS=8, PERFECT_QUOTA_WINDOW_S=1.6)
    jobs = [await world.job() for _ in range(12)]
    for job_id in jobs:
        assert isinstance((await world.end(job_id, timeout=40)).data, RenderSucceeded)
    assert "429" not in (await world.vendor.stats())["answersByStatus"]


async def test_the_quota_used_up_until_the_deadline(start: Any, world: Any, pool: Pool) -> None:
    await world.took_of_late(0.1)
    await start(PERFECT_QUOTA_CALLS=3)  # one of them asks for the account's balance
    first = await world.job()
    await world.end(first)
    late = await world.job()
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM renders WHERE state = 'waiting'"))
    await pool.execute("UPDATE renders SET created_at = now() - interval '1 minute' WHERE job_id = $1", late)
    await world.time_is_over(late)
    end = (await world.end(late)).data
    assert (end.code, end.retryable, end.vendor_calls) == ("vendor_saturated", False, 0)
    assert await world.created() == 1
