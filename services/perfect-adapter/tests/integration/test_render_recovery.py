"""Crashes, lost leases, duplicates, replicas, cancellations: never two tasks, never two ends."""

from functools import partial
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.envelope import new_event
from closet_contracts.ids import new_id
from closet_contracts.job import JobExpired
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_devstack.testing import eventually
from perfect_adapter.quota.gate import CompletedCall
from perfect_adapter.renders.collect import Collected
from perfect_adapter.renders.completion import Failure
from perfect_adapter.vendor import errors
from perfect_adapter.vendor.answers import Failed


async def expire(pool: Pool) -> None:
    """Time passes, for leases."""
    await pool.execute("UPDATE renders SET due_at = now() - interval '1 hour' WHERE lease IS NOT NULL")


async def _all_ended(world: Any) -> bool:
    return all(task["endedAt"] for task in await world.vendor.tasks())


async def test_a_poll_whose_process_died_is_taken_over(start: Any, world: Any, pool: Pool, dead: Any) -> None:
    """Before the poll, after it, or after the result was stored: the next one does it again, to the same end."""
    first = await start()
    await world.vendor.fault("webhook_lost", -1)
    job_id = await world.job()
    await world.told(job_id, 1)
    await first.stop()
    await eventually(partial(_all_ended, world))
    await pool.execute("UPDATE renders SET due_at = now()")
    [claim] = (await dead.collector.claim(5)).items
    render = claim.render
    assert (await dead.collector.claim(5)).items == ()
    await start()
    await expire(pool)
    end = (await world.end(job_id)).data
    assert isinstance(end, RenderSucceeded)
    assert end.vendor_calls == 3
    # It was not dead after all: what it found comes too late.
    await dead.collector._writer.submit(
        Collected(
            render,
            CompletedCall(claim.call_id, render.key, Failed("error_pose")),
            Failed("error_pose"),
            Failure(errors.TASK_LOST),
        )
    )
    assert await pool.fetchval("SELECT state FROM renders") == "done"
    assert len(await world.heard(job_id)) == 2
    assert await world.created() == 1


async def test_a_lease_is_kept_while_its_holder_lives(world: Any, pool: Pool, dead: Any) -> None:
    await dead.take(world.dispatched())
    await dead.claim()
    await expire(pool)
    await dead.submitter.renew([dead.claimed])
    assert await pool.fetchval("SELECT due_at > now() FROM renders")
    await pool.execute("UPDATE renders SET lease = gen_random_uuid()")
    await expire(pool)
    await dead.submitter.renew([dead.claimed])
    assert await pool.fetchval("SELECT due_at < now() FROM renders")


async def test_two_replicas_make_each_picture_once_though_all_is_said_twice(start: Any, world: Any) -> None:
    await start()
    await start()
    events = [world.dispatched() for _ in range(15)]
    await world.say(*events, *events)
    for event in events:
        assert isinstance((await world.end(event.data.job_id, timeout=40)).data, RenderSucceeded)
    await world.say(*events)
    assert [len(await world.heard(event.data.job_id)) for event in events] == [2] * 15
    assert await world.calls() == {"create": 15, "look": 15}


async def test_a_stop_in_the_middle_of_it_finishes_what_is_in_hand(start: Any, world: Any, pool: Pool) -> None:
    replica = await start()
    await world.vendor.fault("slow_answer", operation="create", ms=700)
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM renders WHERE state = 'submitting'"))
    await replica.stop()
    assert await pool.fetchval("SELECT state FROM renders") == "running"
    await start(PERFECT_POLL_AFTER_S=0.1)
    await pool.execute("UPDATE renders SET due_at = now()")
    assert isinstance((await world.end(job_id)).data, RenderSucceeded)
    assert await world.created() == 1


async def _paused(pool: Pool) -> None:
    await pool.execute("UPDATE parties SET paused_until = now() + interval '1 hour'")


async def _on_again(pool: Pool) -> None:
    await pool.execute("UPDATE parties SET paused_until = now()")


async def test_what_is_cancelled_before_it_is_submitted_is_never_ordered(start: Any, world: Any, pool: Pool) -> None:
    await start()
    await _paused(pool)
    kept, cancelled, expired = [world.dispatched() for _ in range(3)]
    await world.say(kept, cancelled, expired)
    await eventually(lambda: pool.fetchval("SELECT count(*) = 3 FROM renders"))
    await world.say(world.cancelled(cancelled.data.job_id))
    data = JobExpired(job_id=expired.data.job_id, user_id="u-1", version=9, code="late", message="No.", attempts=1)
    await world.say(new_event(data, tenant=world.tenant))
    await eventually(lambda: pool.fetchval("SELECT count(*) = 2 FROM renders WHERE state = 'dropped'"))
    await _on_again(pool)
    assert isinstance((await world.end(kept.data.job_id)).data, RenderSucceeded)
    assert await world.created() == 1
    assert await world.heard(cancelled.data.job_id) == await world.heard(expired.data.job_id) == []


async def test_of_a_job_that_is_to_stop_nothing_more_is_ordered_and_that_is_published(
    start: Any, world: Any, pool: Pool
) -> None:
    await start()
    begun = await world.job()
    await world.told(begun, 1)
    await _paused(pool)
    waiting = world.dispatched()
    await world.say(waiting)
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM renders WHERE state = 'waiting'"))
    await world.say(world.stopping(waiting.data.job_id), world.stopping(begun))
    ended = (await world.end(waiting.data.job_id)).data
    assert isinstance(ended, RenderFailed)
    assert (ended.code, ended.retryable, ended.vendor_calls) == ("cancelled", False, 0)
    await _on_again(pool)
    assert [type(event.data).__name__ for event in await world.heard(begun)] == ["RenderStarted"]
    assert await world.created() == 1


async def test_a_cancellation_that_comes_first_counts(start: Any, world: Any, pool: Pool) -> None:
    await start()
    job_id, other = new_id("job"), world.dispatched()
    await world.say(world.cancelled(job_id), world.dispatched(job_id=job_id), other)
    await world.end(other.data.job_id)
    await eventually(lambda: pool.fetchval("SELECT state = 'dropped' FROM renders WHERE job_id = $1", job_id))
    assert await world.created() == 1


async def test_what_is_cancelled_at_the_vendor_is_not_polled(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_POLL_AFTER_S=0.1)
    await world.vendor.change(latency_ms=1000)
    await world.vendor.fault("webhook_lost", -1)
    job_id = await world.job()
    await world.told(job_id, 1)
    await world.say(world.cancelled(job_id))
    await eventually(lambda: pool.fetchval("SELECT state = 'dropped' FROM renders"))
    looks = (await world.calls()).get("look", 0)
    await world.end(await world.job())
    [task, _] = await world.vendor.tasks()
    assert task["looks"] == looks
    assert len(await world.heard(job_id)) == 1


async def test_a_cancellation_during_the_call_drops_the_task(start: Any, world: Any, pool: Pool) -> None:
    await start()
    await world.vendor.fault("slow_answer", operation="create", ms=700)
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT count(*) = 1 FROM renders WHERE state = 'submitting'"))
    await world.say(world.cancelled(job_id))
    await eventually(lambda: pool.fetchval("SELECT state = 'dropped' AND task_id IS NOT NULL FROM renders"))
    assert (await world.calls()).get("look", 0) == 0


@pytest.mark.parametrize("fault", ["result_gone", "result_garbage"])
async def test_a_result_that_does_not_come_well_is_fetched_again(start: Any, world: Any, fault: str) -> None:
    await start()
    await world.vendor.fault(fault, 2)
    end = (await world.end(await world.job())).data
    assert isinstance(end, RenderSucceeded)
    assert await world.created() == 1


@pytest.mark.parametrize(
    ("fault", "code"), [("result_gone", "vendor_result_unavailable"), ("result_garbage", "vendor_result_invalid")]
)
async def test_a_result_that_never_comes_well_ends_it(start: Any, world: Any, fault: str, code: str) -> None:
    await start()
    await world.vendor.fault(fault, -1)
    end = (await world.end(await world.job())).data
    assert (end.code, end.retryable, end.vendor_calls) == (code, False, 5)
    assert await world.created() == 1


async def test_a_result_from_somewhere_else_is_not_fetched(start: Any, world: Any) -> None:
    await start(PERFECT_RESULT_HOSTS="results.example.com, .example.org")
    end = (await world.end(await world.job())).data
    assert (end.code, end.retryable) == ("vendor_result_invalid", False)


async def test_a_task_that_the_vendor_has_forgotten(start: Any, world: Any, pool: Pool) -> None:
    await start()
    await world.vendor.fault("webhook_lost", -1)
    job_id = await world.job()
    await world.told(job_id, 1)
    [started] = await world.heard(job_id)
    await world.vendor.forget(started.data.vendor_task_id)
    await pool.execute("UPDATE renders SET due_at = now()")
    end = (await world.end(job_id)).data
    assert isinstance(end, RenderFailed)
    assert (end.code, end.vendor_code, end.retryable) == ("vendor_task_lost", None, False)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut"},
        {"kind": "lost_answer"},
        {"kind": "refuse", "status": 500, "code": "TaskTimeout"},
        {"kind": "refuse", "status": 401, "code": "ExpiredApiKey"},
        {"kind": "refuse", "status": 429},
    ],
    ids=["cut", "lost", "500", "401", "429"],
)
async def test_a_poll_without_an_answer_is_made_again(
    start: Any, world: Any, pool: Pool, fault: dict[str, Any]
) -> None:
    """The task is paid for: it is not given up."""
    await start(PERFECT_QUOTA_WINDOW_S=6)
    await world.vendor.fault(operation="look", **fault)
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT looks >= 1 AND lease IS NULL FROM renders"))
    await pool.execute("UPDATE renders SET due_at = now() WHERE state = 'running'")
    await pool.execute("UPDATE parties SET probe_at = now()")
    assert isinstance((await world.end(job_id)).data, RenderSucceeded)
    assert await world.created() == 1


@pytest.mark.parametrize("timeouts", [1, 2])
async def test_a_task_that_has_succeeded_is_not_ordered_again_because_a_later_poll_times_out(
    start: Any, world: Any, pool: Pool, timeouts: int
) -> None:
    """It is paid for: a download that failed and the vendor's `TaskTimeout` are not the same thing said twice."""
    await start()
    await world.vendor.fault("result_gone", 2)  # a fetch is tried twice
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT tries = 1 AND lease IS NULL FROM renders"))
    await world.vendor.fault("refuse", timeouts, operation="look", status=500, code="TaskTimeout")
    assert isinstance((await world.end(job_id)).data, RenderSucceeded)
    assert await world.created() == 1
