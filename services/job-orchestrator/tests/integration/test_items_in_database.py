"""Jobs of several tasks in a real database: each is given out, tried again and told of by itself."""

import asyncio
from functools import partial
from typing import Any

import pytest
from closet_contracts.generation import Input
from closet_contracts.ids import new_id
from closet_contracts.job import JobAccepted, JobCancelled, JobCompleted, JobDispatched, JobFailed
from closet_contracts.work import Batch, Category, Edit, Role, TextToImage, TryOn
from closet_messaging.transaction import transaction
from job_orchestrator.handlers.events import UNPAID_STARTS
from job_orchestrator.worker import end_due_jobs


def reaper(harness: Any) -> Any:
    return partial(end_due_jobs, partial(transaction, harness.pool, harness))


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
def batch(job_facts: Any) -> Any:
    """Two try-ons of one photo, a picture from words and an edit, for nine credits."""
    return job_facts(work=BATCH, inputs=INPUTS, uploads=(PHOTO, SHIRT, DRESS, ROOM), credits=9)


async def test_each_task_is_given_out_with_its_own_inputs(harness: Any, batch: Any) -> None:
    await harness.handle_each(batch.request(), *batch.ready(), batch.held())
    dispatched = [event.data for event in harness.emitted[1:]]
    assert [(data.item, data.attempt, data.work) for data in dispatched] == [
        (number, 1, task) for number, task in enumerate(BATCH.items)
    ]
    keys = [[(part.role, part.asset.key.rpartition("/")[2]) for part in data.inputs] for data in dispatched]
    person = (Role.PERSON, PHOTO)
    assert keys == [[person, (Role.GARMENT, SHIRT)], [person, (Role.GARMENT, DRESS)], [], [(Role.IMAGE, ROOM)]]


async def test_results_are_told_in_the_order_of_the_items_and_what_failed_is_not_paid(harness: Any, batch: Any) -> None:
    await harness.handle(batch.request(), *batch.ready(), batch.held(), batch.succeeded(item=3), batch.failed(item=0))
    await harness.handle(batch.started(2, item=0), batch.failed(2, item=0, retryable=False), batch.succeeded(item=2))
    assert (await harness.job(batch.job_id))["phase"] == "dispatched"
    await harness.handle(batch.succeeded(item=1), batch.succeeded(item=1))
    assert harness.event_names(batch.job_id) == ["accepted", *["dispatched"] * 5, "completed"]
    completed = harness.emitted[-1].data
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
    attempts = await harness.pool.fetch("SELECT item, attempt, outcome FROM attempts ORDER BY item, attempt")
    assert [tuple(row) for row in attempts] == [
        (0, 1, "person_not_found"),
        (0, 2, "person_not_found"),
        *((item, 1, "succeeded") for item in (1, 2, 3)),
    ]
    assert (await harness.job(batch.job_id))["results"] == {}, "what was told is not kept twice"


async def test_a_job_of_which_nothing_was_made_fails_with_a_tip(harness: Any, batch: Any) -> None:
    await harness.handle(batch.request(), *batch.ready(), batch.held())
    await harness.handle(*(batch.failed(item=item, retryable=False) for item in range(4)))
    failed = harness.emitted[-1].data
    assert isinstance(failed, JobFailed)
    assert (failed.code, failed.tip, failed.attempts) == ("person_not_found", "Stand alone in front of the camera.", 1)


async def test_variants_are_tasks_and_need_no_consent(harness: Any, job_facts: Any) -> None:
    work = TextToImage(prompt="a red dress", variants=3)
    one = job_facts(work=work, inputs=(), uploads=(), consent_given_at=None, credits=9, quote_id="quo_7")
    await harness.pool.execute("INSERT INTO withdrawals VALUES ('acme', 'u-1', now())")
    await harness.handle(one.request(), one.held())
    accepted, *dispatched = [event.data for event in harness.emitted]
    assert isinstance(accepted, JobAccepted)
    assert (accepted.work, accepted.quote_id) == (work, "quo_7")
    assert [(data.item, data.work.variants, data.inputs) for data in dispatched] == [(item, 1, ()) for item in range(3)]


async def test_a_batch_with_one_bad_input_completes_with_the_others(harness: Any, batch: Any) -> None:
    photo, shirt, _, room = batch.ready()
    await harness.handle(batch.request(), photo, shirt, room, batch.held())
    await harness.handle(batch.rejected(DRESS, "decompression_bomb"))
    assert [event.data.item for event in harness.emitted if isinstance(event.data, JobDispatched)] == [0, 2, 3]
    await harness.handle(*(batch.succeeded(item=item) for item in (0, 2, 3)))
    completed = harness.emitted[-1].data
    assert isinstance(completed, JobCompleted)
    (failure,) = completed.failures
    assert (failure.item, failure.role, failure.code) == (1, Role.GARMENT, "decompression_bomb")
    assert failure.message == "Item 1, garment: This is not a picture."
    assert completed.credits == 6


async def test_an_input_of_several_items_fails_those(harness: Any, batch: Any) -> None:
    _, shirt, dress, room = batch.ready()
    await harness.handle(batch.request(), batch.held(), batch.rejected(PHOTO), shirt, dress, room)
    assert [event.data.item for event in harness.emitted if isinstance(event.data, JobDispatched)] == [2, 3]
    await harness.handle(batch.succeeded(item=2), batch.succeeded(item=3))
    assert [(each.item, each.role) for each in harness.emitted[-1].data.failures] == [
        (0, Role.PERSON),
        (1, Role.PERSON),
    ]


async def test_a_batch_whose_inputs_are_all_bad_fails_for_its_first_item(harness: Any, batch: Any) -> None:
    batch.work, batch.inputs = Batch(items=BATCH.items[:2]), INPUTS[:4]
    await harness.handle(batch.request(), batch.rejected(DRESS), batch.held(), batch.rejected(PHOTO, "not_a_picture"))
    failed = harness.emitted[-1].data
    assert isinstance(failed, JobFailed)
    assert (failed.item, failed.role, failed.code) == (0, Role.PERSON, "not_a_picture")
    assert failed.message == "Item 0, person: This is not a picture."


async def test_a_cancelled_batch_pays_for_what_the_vendor_has_begun_and_gets_what_was_made(
    harness: Any, batch: Any
) -> None:
    await harness.handle(batch.request(), *batch.ready(), batch.held(), batch.succeeded(item=0), batch.started(item=1))
    await harness.handle(batch.cancel(), *(batch.failed(item=item) for item in (2, 3)))
    assert harness.event_names(batch.job_id)[-1] == "cancelled"
    cancelled = harness.emitted[-1].data
    assert isinstance(cancelled, JobCancelled)
    assert (cancelled.credits, [each.item for each in cancelled.results]) == (4, [0])
    assert cancelled.message == "You cancelled this picture. 4 credits are charged for what had been begun."


async def test_a_cancel_while_work_is_on_its_way_to_the_vendor_is_settled_by_what_comes_of_it(
    harness: Any, batch: Any
) -> None:
    await harness.handle(batch.request(), *batch.ready(), batch.held(), batch.cancel())
    assert "cancelled" not in harness.event_names(batch.job_id)
    await harness.handle(batch.started(item=1))
    assert await reaper(harness)() is not True, "there is still time"
    await harness.pool.execute("UPDATE jobs SET settle_at = now()")
    assert await reaper(harness)() is True
    cancelled = harness.emitted[-1].data
    assert isinstance(cancelled, JobCancelled)
    assert cancelled.credits == 2
    unpaid = UNPAID_STARTS._value.get()
    await harness.handle(batch.started(item=2), batch.started(item=1))
    assert UNPAID_STARTS._value.get() == unpaid + 1
    assert harness.emitted[-1].data == cancelled


async def test_cancelled_on_its_way_and_told_by_another_replica(harness: Any, batch: Any) -> None:
    """What is waited for is in the database: whoever takes the next fact knows of the cancel."""
    await harness.handle(batch.request(), *batch.ready(), batch.held())
    await harness.handle(batch.cancel())
    await harness.handle(batch.cancel())
    await harness.handle_each(*(batch.started(item=item) for item in range(4)))
    assert (harness.event_names(batch.job_id)[-1], harness.emitted[-1].data.credits) == ("cancelled", 9)


async def test_items_that_end_at_once_by_many_hands_end_the_job_once(harness: Any, batch: Any) -> None:
    await harness.handle(batch.request(), *batch.ready(), batch.held())
    facts = [batch.started(item=item) for item in range(4)] + [batch.succeeded(item=item) for item in range(4)]
    await asyncio.gather(*(harness.handle(fact) for fact in facts))
    assert harness.event_names(batch.job_id).count("completed") == 1
    assert len(harness.emitted[-1].data.results) == 6
