"""One order that is lost does not stop the others, costs few calls, and is found whatever the vendor's clock says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.generation import Priority
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_contracts.work import TextToImage
from closet_devstack.testing import eventually
from perfect_adapter.ambiguous import store
from perfect_adapter.ambiguous.decision import (
    AwaitCompetitor,
    ClaimTask,
    CompetingOrders,
    Ownership,
    Undecidable,
    UnmatchedTask,
    decide,
    latest_order_time,
)
from perfect_adapter.vendor.answers import Created
from perfect_adapter.vendor.features import FEATURES

HAT = TextToImage(prompt="a hat")


async def is_ambiguous(pool: Pool) -> None:
    await eventually(lambda: pool.fetchval("SELECT count(*) > 0 FROM renders WHERE state = 'doubtful'"))


async def test_an_ambiguous_order_stops_neither_other_features_nor_a_kiosk(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_ORDERS_AT_ONCE=1)
    await world.vendor.fault("html_error", operation="create", status=502)
    lost = await world.job()
    await is_ambiguous(pool)
    held = await world.job()
    kiosk = await world.job(priority=Priority.KIOSK_LIVE)
    hat = await world.job(work=HAT, inputs=())
    for job_id in (kiosk, hat):
        assert isinstance((await world.end(job_id)).data, RenderSucceeded)
    states = dict(map(tuple, await pool.fetch("SELECT job_id, state FROM renders")))
    assert (states[lost], states[held]) == ("doubtful", "waiting")


async def test_others_go_on_when_the_history_after_twice_the_typical_time_shows_nothing(
    start: Any, world: Any, pool: Pool
) -> None:
    await start(PERFECT_ORDERS_AT_ONCE=1)
    await world.end(await world.job())  # what is typical
    await world.vendor.fault("html_error", operation="create", status=502)
    lost = await world.job()
    await is_ambiguous(pool)
    assert isinstance((await world.end(await world.job(), timeout=40)).data, RenderSucceeded)
    assert await pool.fetchval("SELECT state FROM renders WHERE job_id = $1", lost) == "doubtful", (
        "it is still searched for"
    )


async def test_a_lost_task_that_turns_up_after_others_went_on_is_still_its_own(
    start: Any, world: Any, pool: Pool
) -> None:
    """It takes longer than twice the typical time; others were ordered with the same key on the same path meanwhile."""
    await start(PERFECT_ORDERS_AT_ONCE=1)
    await world.end(await world.job())
    await world.vendor.fault("slow_task", ms=9000)
    await world.vendor.fault("lost_answer", operation="create")
    lost = await world.job()
    await is_ambiguous(pool)
    others = [await world.job() for _ in range(3)]
    for job_id in (*others, lost):
        assert isinstance((await world.end(job_id, timeout=40)).data, RenderSucceeded)
    tasks = await world.vendor.tasks()
    assert len(tasks) == 5
    assert await pool.fetchval("SELECT task_id FROM renders WHERE job_id = $1", lost) == tasks[1]["taskId"]


async def test_an_ambiguous_order_is_searched_for_before_others_go_on_however_old_it_is(
    start: Any, world: Any, pool: Pool, dead: Any
) -> None:
    """After an outage of ours its time is over before any search: two ambiguous orders could not be told apart."""
    lost, held = world.dispatched(), world.dispatched()
    await dead.take(lost)
    await dead.claim()
    await dead.take(held)
    await pool.execute(
        """
        UPDATE renders SET asked_at = now() - interval '10 minutes', due_at = now() - interval '9 minutes'
        WHERE state = 'submitting'
        """
    )
    await world.vendor.fault("html_error", operation="history", status=502)
    await start(PERFECT_ORDERS_AT_ONCE=1)
    assert (await world.end(lost.data.job_id, timeout=40)).data.code == "vendor_ambiguous"
    assert isinstance((await world.end(held.data.job_id, timeout=40)).data, RenderSucceeded)
    calls = await pool.fetch("SELECT operation FROM vendor_calls ORDER BY call_id")
    assert [row[0] for row in calls if row[0] in {"history", "create"}] == ["create", "history", "history", "create"]


async def test_features_that_share_a_path_compete(pool: Pool, dead: Any, world: Any) -> None:
    """A poll cannot tell an HD analysis from another; so neither is given the other's task."""
    for _ in range(2):
        await dead.take(world.dispatched())
    claims = (await dead.submitter.claim(2)).items
    await pool.execute("UPDATE renders SET state = 'doubtful', feature = 'skin'")
    await pool.execute("UPDATE renders SET feature = 'skin-hd' WHERE render_id = $1", claims[0].render.render_id)
    await pool.execute("UPDATE renders SET due_at = now()")
    async with dead.gate.begin() as tx:
        render = await store.lock_next_due(tx.conn, list(dead.gate.ring.keys))
        assert render is not None
        assert await store.competing_orders(tx.conn, render, (), 3600) == CompetingOrders(others=1)


async def test_an_order_waits_for_the_answer_of_one_in_hand_that_may_have_made_the_task(
    start: Any, world: Any, pool: Pool, dead: Any
) -> None:
    """Its time is over, and another order's webhook is there before that order's answer: that gives up neither."""
    lost, in_hand = world.dispatched(), world.dispatched()
    for event in (lost, in_hand):
        await dead.take(event)
        await dead.claim()
    await pool.execute("UPDATE renders SET due_at = now() + interval '1 hour'")
    await pool.execute(
        """
        UPDATE renders SET state = 'doubtful', lease = NULL, due_at = now(), asked_at = now() - interval '10 s',
            searched_at = now() - interval '3 s' WHERE job_id = $1
        """,
        lost.data.job_id,
    )
    path = FEATURES["tryon-v4"].path
    await pool.execute("INSERT INTO strays SELECT 'task-1', key, $1, 'ours', now() FROM renders LIMIT 1", path)
    await start(PERFECT_AMBIGUOUS_WAIT_S=5, PERFECT_AMBIGUOUS_POLICY="repeat")
    await eventually(lambda: pool.fetchval("SELECT doubts > 0 FROM renders WHERE job_id = $1", lost.data.job_id))
    assert await pool.fetchval("SELECT state FROM renders WHERE job_id = $1", lost.data.job_id) == "doubtful"
    await dead.answer(Created("task-1"))
    assert isinstance((await world.end(lost.data.job_id, timeout=40)).data, RenderSucceeded)


def test_an_order_made_after_a_task_was_seen_has_not_made_it() -> None:
    """So it is not waited for; but its clock and the vendor's may differ, so that no picture is given away for it."""
    seen = datetime.now(UTC)
    tasks = [
        UnmatchedTask("task-1", Ownership.OURS, seen),
        UnmatchedTask("task-2", Ownership.FOREIGN, seen + timedelta(hours=1)),
    ]
    assert latest_order_time(tasks) == seen + timedelta(seconds=30)
    assert latest_order_time(tasks[1:]) is None
    assert decide(tasks, CompetingOrders(others=1)) == Undecidable()
    assert decide(tasks, CompetingOrders(in_hand=1, others=1)) == AwaitCompetitor()
    assert decide(tasks, CompetingOrders()) == ClaimTask("task-1")


@pytest.mark.parametrize("code", [None, "BadRequest"])
@pytest.mark.parametrize("status", [400, 404])
async def test_a_poll_that_is_definitely_refused_ends_it_at_once(
    start: Any, world: Any, status: int, code: str | None
) -> None:
    await start()
    await world.vendor.fault("refuse", -1, operation="look", status=status, code=code)
    end = (await world.end(await world.job())).data
    assert (type(end), end.code, end.vendor_calls) == (RenderFailed, "vendor_task_lost", 2)


async def test_somebody_elses_task_costs_one_poll_however_long_its_webhook_stays_open(
    start: Any, world: Any, pool: Pool
) -> None:
    await start(PERFECT_AMBIGUOUS_WAIT_S=8)
    await world.vendor.fault("cut", operation="create")
    await world.vendor.fault("refuse", -1, operation="look", status=404)
    lost = await world.job()
    await is_ambiguous(pool)
    await pool.execute("INSERT INTO webhooks VALUES ('msg_f', 'foreign', 'success', now())")
    assert (await world.end(lost, timeout=40)).data.code == "vendor_ambiguous"
    calls = await world.calls()
    assert calls["look"] == 1
    assert calls["history"] <= 6


async def test_an_outage_of_the_vendor_costs_few_calls(start: Any, world: Any, pool: Pool) -> None:
    """Long after the wait is over, too: there is no end to it as long as the history cannot be read."""
    await start(PERFECT_AMBIGUOUS_WAIT_S=1, PERFECT_ORDERS_AT_ONCE=1)
    for operation in ("create", "history"):
        await world.vendor.fault("html_error", -1, operation=operation, status=502)
    lost = await world.job()
    await is_ambiguous(pool)
    await pool.execute("UPDATE renders SET asked_at = asked_at - interval '1 minute'")
    await eventually(lambda: pool.fetchval("SELECT doubts >= 3 FROM renders"), timeout=40)
    assert (await world.calls())["history"] <= 4
    await world.vendor.clear_faults()
    assert isinstance((await world.end(await world.job(work=HAT, inputs=()))).data, RenderSucceeded)
    await pool.execute("UPDATE renders SET due_at = now() WHERE state = 'doubtful'")
    assert (await world.end(lost, timeout=40)).data.code == "vendor_ambiguous"


async def test_an_order_that_can_never_be_searched_for_is_given_up(start: Any, world: Any, pool: Pool) -> None:
    await start(PERFECT_AMBIGUOUS_WAIT_S=0.5, PERFECT_TASK_LONGEST_S=1.5)
    for operation in ("create", "history"):
        await world.vendor.fault("html_error", -1, operation=operation, status=502)
    job_id = await world.job()
    await is_ambiguous(pool)
    await pool.execute("UPDATE renders SET in_vain = 7")  # several minutes of trying
    await pool.execute("UPDATE renders SET asked_at = asked_at - interval '10 s'")
    await eventually(lambda: pool.fetchval("SELECT in_vain >= 8 FROM renders"))
    await pool.execute("UPDATE renders SET due_at = now() WHERE lease IS NULL")
    assert (await world.end(job_id, timeout=40)).data.code == "vendor_ambiguous"


@pytest.mark.parametrize(
    ("searched_s", "in_vain"),
    [
        pytest.param(50, 20, id="searched lately"),
        pytest.param(130, 0, id="nobody was there to search"),
        pytest.param(130, 20, id="tried in vain, then nobody was there"),
    ],
)
async def test_an_order_that_is_searched_is_searched_once_more_after_the_wait(
    start: Any, world: Any, pool: Pool, searched_s: int, in_vain: int
) -> None:
    """However old it is, however often it was searched for: only one that cannot be searched ends unsearched."""
    await start(PERFECT_AMBIGUOUS_POLICY="repeat", PERFECT_AMBIGUOUS_WAIT_S=60, PERFECT_TASK_LONGEST_S=70)
    await world.vendor.fault("cut", operation="create")
    job_id = await world.job()
    await eventually(lambda: pool.fetchval("SELECT doubts > 0 AND lease IS NULL FROM renders WHERE state = 'doubtful'"))
    await pool.execute(
        """
        UPDATE renders SET doubts = 20, in_vain = $2, due_at = now(), asked_at = now() - interval '180 s',
            searched_at = now() - make_interval(secs => $1), tried_at = now() - make_interval(secs => $1 - 10)
        """,
        searched_s,
        in_vain,
    )
    assert isinstance((await world.end(job_id, timeout=40)).data, RenderSucceeded)
    assert await world.created() == 1
