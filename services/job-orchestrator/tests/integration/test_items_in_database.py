"""Jobs of several tasks in a real database: each is given out, tried again and told of by itself."""

import asyncio
from typing import Any

import pytest
from closet_contracts.generation import GenerationCancelRequested, Input
from closet_contracts.ids import new_id
from closet_contracts.job import JobAccepted, JobCompleted, JobFailed
from closet_contracts.work import Batch, Category, Edit, Role, TextToImage, TryOn

PHOTO, SHIRT, DRESS, ROOM = (new_id("upl") for _ in range(4))
BATCH = Batch(
    items=(
        TryOn(),
        TryOn(category=Category.DRESS),
        TextToImage(prompt="a red dress on a hanger"),
        Edit(prompt="tidy it up"),
    )
)
INPUTS = tuple(
    Input(role=role, upload_id=upload, item=item)
    for item, role, upload in (
        (0, Role.PERSON, PHOTO),
        (0, Role.GARMENT, SHIRT),
        (1, Role.PERSON, PHOTO),
        (1, Role.GARMENT, DRESS),
        (3, Role.IMAGE, ROOM),
    )
)


@pytest.fixture
def batch(asked: Any) -> Any:
    """Two try-ons of one photo, a picture from words and an edit, for nine credits."""
    return asked(work=BATCH, inputs=INPUTS, uploads=(PHOTO, SHIRT, DRESS, ROOM), credits=9)


async def test_each_task_is_given_out_with_its_own_inputs(desk: Any, batch: Any) -> None:
    await desk.take_each(batch.request(), *batch.ready(), batch.held())
    dispatched = [event.data for event in desk.told[1:]]
    assert [(data.item, data.attempt, data.work) for data in dispatched] == [
        (number, 1, task) for number, task in enumerate(BATCH.items)
    ]
    keys = [[(part.role, part.asset.key.rpartition("/")[2]) for part in data.inputs] for data in dispatched]
    person = (Role.PERSON, PHOTO)
    assert keys == [[person, (Role.GARMENT, SHIRT)], [person, (Role.GARMENT, DRESS)], [], [(Role.IMAGE, ROOM)]]


async def test_results_are_told_in_the_order_of_the_items_and_what_failed_is_not_paid(desk: Any, batch: Any) -> None:
    await desk.take(batch.request(), *batch.ready(), batch.held(), batch.succeeded(item=3), batch.failed(item=0))
    await desk.take(batch.started(2, item=0), batch.failed(2, item=0, retryable=False), batch.succeeded(item=2))
    assert (await desk.job(batch.job_id))["phase"] == "dispatched"
    await desk.take(batch.succeeded(item=1), batch.succeeded(item=1))
    assert desk.said(batch.job_id) == ["accepted", *["dispatched"] * 5, "completed"]
    completed = desk.told[-1].data
    assert isinstance(completed, JobCompleted)
    assert [(each.item, each.key.rpartition("/")[2], each.label) for each in completed.results] == [
        (1, "result_1.png", None),
        (1, "result_1.json", "scores"),
        (2, "result_2.png", None),
        (3, "result_3.png", None),
        (3, "result_3.json", "scores"),
    ]
    (failure,) = completed.failures
    assert (failure.item, failure.code, failure.tip) == (0, "person_not_found", "Stand alone in front of the camera.")
    assert (completed.kind, completed.attempts, completed.credits, completed.vendor_ms) == ("batch", 2, 6, 2300)
    attempts = await desk.pool.fetch("SELECT item, attempt, outcome FROM attempts ORDER BY item, attempt")
    assert [tuple(row) for row in attempts] == [
        (0, 1, "person_not_found"),
        (0, 2, "person_not_found"),
        *((item, 1, "succeeded") for item in (1, 2, 3)),
    ]
    assert (await desk.job(batch.job_id))["results"] == {}, "what was told is not kept twice"


async def test_a_job_of_which_nothing_was_made_fails_with_a_tip(desk: Any, batch: Any) -> None:
    await desk.take(batch.request(), *batch.ready(), batch.held())
    await desk.take(*(batch.failed(item=item, retryable=False) for item in range(4)))
    failed = desk.told[-1].data
    assert isinstance(failed, JobFailed)
    assert (failed.code, failed.tip, failed.attempts) == ("person_not_found", "Stand alone in front of the camera.", 1)


async def test_variants_are_tasks_and_need_no_consent(desk: Any, asked: Any) -> None:
    work = TextToImage(prompt="a red dress", variants=3)
    one = asked(work=work, inputs=(), uploads=(), consent_given_at=None, credits=9, quote_id="quo_7")
    await desk.pool.execute("INSERT INTO withdrawals VALUES ('acme', 'u-1', now())")
    await desk.take(one.request(), one.held())
    accepted, *dispatched = [event.data for event in desk.told]
    assert isinstance(accepted, JobAccepted)
    assert (accepted.work, accepted.quote_id) == (work, "quo_7")
    assert [(data.item, data.work.variants, data.inputs) for data in dispatched] == [(item, 1, ()) for item in range(3)]


async def test_a_cancelled_batch_stays_cancelled(desk: Any, batch: Any) -> None:
    await desk.take(batch.request(), *batch.ready(), batch.held(), batch.succeeded(item=0))
    cancel = batch.event(GenerationCancelRequested(job_id=batch.job_id, user_id="u-1"))
    await desk.take(cancel, *(batch.succeeded(item=item) for item in (1, 2, 3)))
    assert desk.said(batch.job_id)[-1] == "cancelled"


async def test_items_that_end_at_once_by_many_hands_end_the_job_once(desk: Any, batch: Any) -> None:
    await desk.take(batch.request(), *batch.ready(), batch.held())
    facts = [batch.started(item=item) for item in range(4)] + [batch.succeeded(item=item) for item in range(4)]
    await asyncio.gather(*(desk.take(fact) for fact in facts))
    assert desk.said(batch.job_id).count("completed") == 1
    assert len(desk.told[-1].data.results) == 6
