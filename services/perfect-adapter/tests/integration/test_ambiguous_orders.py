"""Orders whose answer was lost: the task is found, never made twice, never given to somebody else."""

from datetime import UTC, datetime
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_devstack.testing import eventually
from perfect_adapter.vendor.answers import Created

LOST = [
    pytest.param({"kind": "lost_answer"}, id="answer lost"),
    pytest.param({"kind": "refuse", "status": 500, "created": True}, id="500 after the fact"),
    pytest.param({"kind": "slow_answer", "ms": 5000}, id="no answer in time"),
]
NEVER_MADE = [
    pytest.param({"kind": "cut"}, id="connection cut"),
    pytest.param({"kind": "refuse", "status": 503}, id="503"),
]


@pytest.mark.parametrize("webhooks", [True, False], ids=["told by webhook", "found in the history"])
@pytest.mark.parametrize("fault", LOST)
async def test_a_task_whose_answer_was_lost_is_found(
    start: Any, world: Any, fault: dict[str, Any], webhooks: bool
) -> None:
    await start(PERFECT_TIMEOUT_S=2)
    await world.vendor.fault(operation="create", **fault)
    if not webhooks:
        await world.vendor.fault("webhook_lost", -1)
    job_id = await world.job()
    end = (await world.end(job_id)).data
    assert isinstance(end, RenderSucceeded)
    assert end.vendor_calls <= (3 if webhooks else 6)
    assert await world.created() == 1
    assert [event.type.split(".")[2] for event in await world.heard(job_id)] == ["started", "succeeded"]
    [task] = await world.vendor.tasks()
    assert task["unitsCharged"] == 2


@pytest.mark.parametrize("fault", NEVER_MADE)
async def test_an_order_that_left_no_trace_is_given_up(start: Any, world: Any, fault: dict[str, Any]) -> None:
    await start(PERFECT_AMBIGUOUS_WAIT_S=1)
    await world.vendor.fault(operation="create", **fault)
    job_id = await world.job()
    end = (await world.end(job_id)).data
    assert isinstance(end, RenderFailed)
    assert (end.code, end.retryable) == ("vendor_ambiguous", False)
    assert "Nothing is charged" in end.message
    assert await world.created() == 0
    assert (await world.calls())["history"] >= 1, "it was searched for"
    assert len(await world.heard(job_id)) == 1


async def test_repeating_is_a_policy_with_a_limit(start: Any, world: Any) -> None:
    await start(PERFECT_AMBIGUOUS_WAIT_S=1, PERFECT_AMBIGUOUS_POLICY="repeat", PERFECT_AMBIGUOUS_REPEATS=1)
    for expected in (RenderSucceeded, RenderFailed):
        await world.vendor.fault("cut", operation="create")
        assert isinstance((await world.end(await world.job())).data, expected)
    assert await world.created() == 1


async def test_one_that_is_lost_every_time_is_given_up(start: Any, world: Any) -> None:
    await start(PERFECT_AMBIGUOUS_WAIT_S=0.2, PERFECT_AMBIGUOUS_POLICY="repeat")
    await world.vendor.fault("cut", -1, operation="create")
    end = (await world.end(await world.job(), timeout=40)).data
    assert end.code == "vendor_ambiguous"
    assert (await world.calls())["create"] == 4


async def test_a_lost_task_is_found_behind_many_others(start: Any, world: Any, perfect_server: Any, pool: Pool) -> None:
    """The history comes in pages of 30, the newest first; others use the account by keys of their own kind of work."""
    await start(PERFECT_ORDERS_AT_ONCE=1)
    await world.vendor.change(latency_ms=0, fixed_result=True, quota_calls=0)
    await world.vendor.fault("webhook_lost", -1)
    await world.vendor.fault("lost_answer", operation="create")
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT state = 'doubtful' FROM renders"))
    headers = {"Authorization": f"Bearer {perfect_server.api_key}"}
    body = {"model": "youcam-image-v2", "prompt": "a hat"}
    url = f"{perfect_server.url}/s2s/v2.0/task/text-to-image/youcam"
    for _ in range(40):
        async with world.session.post(url, json=body, headers=headers) as response:
            assert response.status == 200
    end = (await world.end(job_id, timeout=40)).data
    assert isinstance(end, RenderSucceeded)
    assert (await world.calls())["history"] >= 2


async def test_a_lost_task_that_failed_ends_as_it_did(start: Any, world: Any) -> None:
    """It was never charged, so the history does not know it; its webhook does."""
    await start()
    await world.vendor.fault("lost_answer", operation="create")
    await world.vendor.fault("engine_error", code="error_no_face")
    end = (await world.end(await world.job())).data
    assert (end.code, end.vendor_code) == ("person_not_found", "error_no_face")


async def test_where_two_orders_are_ambiguous_nobody_gets_the_others_picture(start: Any, world: Any) -> None:
    """Two answers were lost at once: which task is whose cannot be told, and a picture is never given away."""
    await start(PERFECT_AMBIGUOUS_WAIT_S=2, PERFECT_ORDERS_AT_ONCE=2)
    await world.vendor.fault("lost_answer", 2, operation="create")
    jobs = [await world.job(), await world.job()]
    for job_id in jobs:
        end = (await world.end(job_id)).data
        assert (type(end), end.code) == (RenderFailed, "vendor_ambiguous")
    assert await world.created() == 2


async def test_one_order_at_a_time_makes_every_loss_traceable(start: Any, world: Any) -> None:
    """As it is set by default: while an order of a key is ambiguous, the key takes no other."""
    for _ in range(2):
        await start(PERFECT_ORDERS_AT_ONCE=1)
    await world.vendor.fault("lost_answer", 4, operation="create")
    jobs = [await world.job() for _ in range(6)]
    for job_id in jobs:
        assert isinstance((await world.end(job_id, timeout=40)).data, RenderSucceeded)
    assert await world.created() == 6
    results = [(await world.end(job_id)).data.results[0].key for job_id in jobs]
    assert len(set(results)) == 6


async def test_a_task_of_an_order_given_up_is_never_given_to_the_next(start: Any, world: Any, pool: Pool) -> None:
    """The first is given up while its task still runs; then the second's answer is lost, and the first's task ends."""
    await start(PERFECT_AMBIGUOUS_WAIT_S=3)
    await world.vendor.change(latency_ms=6000)
    await world.vendor.fault("lost_answer", operation="create")
    first = await world.job()
    assert (await world.end(first)).data.code == "vendor_ambiguous"
    await world.vendor.fault("cut", operation="create")
    second = await world.job()
    end = (await world.end(second)).data
    assert (type(end), end.code) == (RenderFailed, "vendor_ambiguous")
    assert await pool.fetchval("SELECT count(task_id) FROM renders") == 0


async def test_somebody_elses_task_with_our_key_is_not_taken(
    start: Any, world: Any, perfect_server: Any, pool: Pool
) -> None:
    """Two tasks turn up in the history for one order: the key is used by somebody else, too."""
    await start(PERFECT_AMBIGUOUS_WAIT_S=3, PERFECT_ORDERS_AT_ONCE=1)
    await world.vendor.change(latency_ms=200, fixed_result=True)
    await world.vendor.fault("webhook_lost", -1)
    await world.vendor.fault("lost_answer", operation="create")
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT state = 'doubtful' FROM renders"))
    body = {
        "src_file_url": "http://127.0.0.1:1/a.jpg",
        "ref_file_url": "http://127.0.0.1:1/b.jpg",
        "garment_category": "auto",
    }
    headers = {"Authorization": f"Bearer {perfect_server.api_key}"}
    url = f"{perfect_server.url}/s2s/v2.0/task/cloth-v4"
    async with world.session.post(url, json=body, headers=headers) as response:
        assert response.status == 200
    end = (await world.end(job_id, timeout=60)).data
    assert (type(end), end.code) == (RenderFailed, "vendor_ambiguous")


async def test_an_intent_whose_process_died_is_searched_for(start: Any, world: Any, pool: Pool, dead: Any) -> None:
    """Whether it died before the call or after it, nobody can tell: nothing is ordered again."""
    event = world.dispatched()
    await dead.take(event)
    await dead.claim()
    await start(PERFECT_AMBIGUOUS_WAIT_S=1)
    await world.say(event)
    assert await pool.fetchval("SELECT state FROM renders") == "submitting"
    await expire(pool)
    end = (await world.end(event.data.job_id)).data
    assert (end.code, end.retryable) == ("vendor_ambiguous", False)
    assert await world.created() == 0
    assert len(await world.heard(event.data.job_id)) == 1


async def test_a_late_answer_resolves_an_ambiguous_order(start: Any, world: Any, pool: Pool, dead: Any) -> None:
    event = world.dispatched()
    await dead.take(event)
    await dead.claim()
    await start(PERFECT_AMBIGUOUS_WAIT_S=60)
    await expire(pool)
    await eventually(lambda: pool.fetchval("SELECT state = 'doubtful' AND lease IS NULL FROM renders"))
    await dead.answer(Created("task-1"))
    row = await pool.fetchrow("SELECT state, task_id FROM renders")
    assert tuple(row or ()) == ("running", "task-1")


async def test_an_answer_that_comes_after_its_order_was_given_up_is_kept(
    start: Any, world: Any, pool: Pool, dead: Any
) -> None:
    event = world.dispatched()
    await dead.take(event)
    await dead.claim()
    await start(PERFECT_AMBIGUOUS_WAIT_S=0.1)
    await expire(pool)
    await world.end(event.data.job_id)
    await dead.answer(Created("task-1"))
    row = await pool.fetchrow("SELECT state, code, task_id FROM renders")
    assert tuple(row or ()) == ("failed", "vendor_ambiguous", "task-1")
    assert len(await world.heard(event.data.job_id)) == 1


async def test_the_call_log_shows_what_was_done(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_ORDERS_AT_ONCE=1)
    await world.vendor.fault("lost_answer", operation="create")
    await world.end(await world.job())
    calls = await pool.fetch(
        "SELECT operation, outcome, ended_at FROM vendor_calls WHERE render_id IS NOT NULL ORDER BY 1"
    )
    walk = [(row["operation"], row["outcome"]) for row in calls]
    assert walk[0] == ("create", "NoAnswer: ServerDisconnectedError")
    assert ("poll", "Succeeded") in walk
    assert all(row["ended_at"] for row in calls)
    assert datetime.now(UTC) > max(row["ended_at"] for row in calls)


async def expire(pool: Pool) -> None:
    """Time passes, for leases."""
    await pool.execute("UPDATE renders SET due_at = now() - interval '1 hour' WHERE lease IS NOT NULL")
