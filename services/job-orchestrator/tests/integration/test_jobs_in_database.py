"""Jobs in a real database: batches, duplicates, disorder, consent, strangers."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from closet_contracts.ids import new_id
from closet_contracts.job import JobCancelled, JobCompleted, JobDispatched, JobFailed
from closet_contracts.model import TOLERANT
from closet_contracts.person import PersonConsentWithdrawn
from closet_contracts.upload import UploadRejected
from closet_contracts.work import WORK, UnknownKind
from job_orchestrator.handlers.events import UnknownJob


async def test_a_good_life(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take_each(*one.life())
    assert desk.said(one.job_id) == ["accepted", "dispatched", "completed"]
    accepted, dispatched, completed = [event.data for event in desk.told]
    assert isinstance(dispatched, JobDispatched)
    assert [(part.role.value, part.asset.key) for part in dispatched.inputs] == [
        ("person", f"tenant/acme/{one.uploads[0]}"),
        ("garment", f"tenant/acme/{one.uploads[1]}"),
    ]
    assert isinstance(completed, JobCompleted)
    assert (completed.credits, completed.attempts, completed.vendor_ms, len(completed.results)) == (5, 1, 700, 1)
    assert accepted.version < dispatched.version < completed.version
    assert {event.tenantid for event in desk.told} == {"acme"}
    attempt = dict((await desk.pool.fetch("SELECT * FROM attempts"))[0])
    assert (attempt["outcome"], attempt["vendor_task_id"], attempt["vendor_calls"]) == (
        "succeeded",
        "918273645546372819",
        2,
    )
    assert None not in (attempt["dispatched_at"], attempt["started_at"], attempt["ended_at"])


async def test_one_batch_does_what_single_events_do(desk: Any, asked: Any) -> None:
    lives = [asked() for _ in range(20)]
    await desk.take(*(event for one in lives for event in one.life()))
    assert all(desk.said(one.job_id) == ["accepted", "dispatched", "completed"] for one in lives)
    assert (await desk.job(lives[0].job_id))["phase"] == "completed"


@pytest.mark.parametrize("seed", range(5))
async def test_facts_twice_in_any_order_lead_to_the_same_end(desk: Any, asked: Any, seed: int) -> None:
    """What comes too early is refused, and delivered again later: so the bus does it."""
    dice = random.Random(seed)
    one = asked()
    waiting = [*one.life(), *(one.event(event.data) for event in one.life())]
    while waiting:
        dice.shuffle(waiting)
        refused = []
        for event in waiting:
            try:
                await desk.take(event)
            except UnknownJob:
                refused.append(event)
        # A start or an end before its dispatch is stale news of an attempt that is not there: causes come first.
        waiting = refused
        if not waiting and (await desk.job(one.job_id))["phase"] != "completed":
            waiting = [one.started(), one.succeeded(), one.succeeded()]
    said = desk.said(one.job_id)
    assert said == ["accepted", "dispatched", "completed"]


async def test_an_event_delivered_again_counts_once(desk: Any, asked: Any) -> None:
    one = asked()
    life = one.life()
    await desk.take_each(*life)
    await desk.take(*life)
    assert desk.said(one.job_id) == ["accepted", "dispatched", "completed"]


async def test_attempts_are_repeated_and_kept(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.request(), *one.ready(), one.held(), one.started(), one.failed())
    await desk.take_each(one.started(2), one.failed(2), one.started(3), one.failed(3))
    assert desk.said(one.job_id) == ["accepted", *["dispatched"] * 3, "failed"]
    failed = desk.told[-1].data
    assert isinstance(failed, JobFailed)
    assert (failed.code, failed.attempts) == ("person_not_found", 3)
    outcomes = await desk.pool.fetch("SELECT outcome, vendor_code FROM attempts ORDER BY attempt")
    assert [tuple(row) for row in outcomes] == [("person_not_found", "error_no_face")] * 3
    job = await desk.job(one.job_id)
    assert (job["code"], job["message"]) == ("person_not_found", "No person could be found in the photo.")


async def test_a_rejected_input_passes_its_code_on(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.request())
    rejected = UploadRejected(
        upload_id=one.uploads[1], job_id=one.job_id, user_id="u-1", code="input_missing", message="It never came."
    )
    await desk.take(one.event(rejected), one.held())
    assert desk.said(one.job_id) == ["accepted", "failed"]
    failed = desk.told[-1].data
    assert (failed.code, failed.message, failed.role) == ("input_missing", "Garment: It never came.", "garment")


async def test_denied_credits_fail_the_job(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.request(), one.denied(), *one.ready())
    assert desk.said(one.job_id) == ["accepted", "failed"]
    assert desk.told[-1].data.code == "insufficient_credits"


async def test_a_cancelled_job_stays_cancelled_whatever_the_vendor_says(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.request(), *one.ready(), one.held(), one.started())
    await desk.take(one.cancel())
    before = await desk.job(one.job_id)
    await desk.take(one.succeeded())
    assert await desk.job(one.job_id) == before
    assert desk.said(one.job_id) == ["accepted", "dispatched", "cancelled"]
    assert await desk.pool.fetchval("SELECT outcome FROM attempts") == "succeeded", "what the vendor did is kept"


async def test_a_cancel_ends_a_job_whose_request_was_never_heard_of_and_stays_its_end(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.cancel())
    await desk.take(one.cancel(), one.request())
    assert desk.said(one.job_id) == ["cancelled"]
    cancelled = desk.told[-1].data
    assert (cancelled.code, cancelled.credits, cancelled.attempts) == ("cancelled", 0, 0)
    stranger = asked(tenant="evil", job_id=one.job_id)
    with pytest.raises(UnknownJob):
        await desk.take(stranger.cancel())


async def test_a_request_and_its_cancel_at_once_give_one_end(desk: Any, asked: Any) -> None:
    for _ in range(10):
        one = asked()
        await asyncio.gather(desk.take(one.request()), desk.take(one.cancel()))
        assert desk.said(one.job_id) in (["cancelled"], ["accepted", "cancelled"])


async def test_a_request_that_comes_too_late_expires_before_anybody_touches_the_photo(desk: Any, asked: Any) -> None:
    one = asked(deadline=datetime.now(UTC) - timedelta(seconds=1))
    await desk.take(one.request())
    assert desk.said(one.job_id) == ["expired"]


async def test_another_tenants_news_do_not_touch_a_job(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.request())
    stranger = asked(tenant="evil", job_id=one.job_id, uploads=one.uploads)
    for event in (*stranger.ready(), stranger.denied()):
        with pytest.raises(UnknownJob):
            await desk.take(event)
    with pytest.raises(UnknownJob):
        await desk.take(*one.ready(), stranger.held())
    assert (await desk.job(one.job_id))["version"] == 1


async def test_the_same_request_twice_makes_one_job(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.request(), one.request())
    await desk.take(one.request())
    assert desk.said(one.job_id) == ["accepted"]


def withdrawal(one: Any, minutes: int = 1) -> Any:
    at = one.consent_given_at + timedelta(minutes=minutes)
    return one.event(PersonConsentWithdrawn(user_id=one.user_id, withdrawn_at=at))


async def test_withdrawn_consent_stops_all_of_a_persons_waiting_jobs_and_no_others(desk: Any, asked: Any) -> None:
    waiting, dispatched, running = asked(), asked(), asked()
    other, elsewhere = asked(user_id="u-2"), asked(tenant="zara")
    await desk.take(*(one.request() for one in (waiting, dispatched, running, other, elsewhere)))
    await desk.take(*dispatched.ready(), dispatched.held(), *running.ready(), running.held(), running.started())
    await desk.take(withdrawal(waiting))
    assert desk.said(waiting.job_id)[-1] == "cancelled"
    assert desk.said(dispatched.job_id)[-1] == "stop_requested"
    await desk.take(dispatched.failed(retryable=False))
    assert desk.said(dispatched.job_id)[-1] == "cancelled"
    for one in (running, other, elsewhere):
        assert "cancelled" not in desk.said(one.job_id)
    cancelled = desk.told[-1].data
    assert isinstance(cancelled, JobCancelled)
    assert cancelled.code == "consent_withdrawn"


async def test_a_withdrawal_that_overtook_the_request_ends_it_before_anybody_touches_the_photo(
    desk: Any, asked: Any
) -> None:
    one = asked()
    await desk.take(withdrawal(one))
    await desk.take(one.request())
    assert desk.said(one.job_id) == ["cancelled"]


async def test_a_withdrawal_unseen_at_acceptance_is_seen_before_the_vendor(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(one.request())
    await desk.pool.execute("INSERT INTO withdrawals VALUES ('acme', 'u-1', $1)", one.consent_given_at)
    await desk.take(*one.ready(), one.held())
    assert desk.said(one.job_id) == ["accepted", "cancelled"]


async def test_a_later_consent_allows_later_requests_even_if_an_old_withdrawal_comes_late(
    desk: Any, asked: Any
) -> None:
    old = asked()
    later = asked(consent_given_at=old.consent_given_at + timedelta(minutes=2))
    await desk.take(later.request())
    await desk.take(withdrawal(old))
    await desk.take(withdrawal(old, minutes=-1))
    await desk.take(*later.ready(), later.held())
    assert desk.said(later.job_id) == ["accepted", "dispatched"]
    await desk.take(old.request())
    assert desk.said(old.job_id) == ["cancelled"], "the later withdrawal is the one remembered"


async def test_facts_about_one_job_taken_at_once_by_many_lose_nothing(desk: Any, asked: Any) -> None:
    for _ in range(10):
        one = asked()
        await desk.take(one.request())
        await asyncio.gather(*(desk.take(event) for event in (*one.ready(), one.held())))
        assert desk.said(one.job_id) == ["accepted", "dispatched"]


async def test_replicas_with_the_same_jobs_in_their_batches_do_not_deadlock(desk: Any, asked: Any) -> None:
    lives = sorted((asked() for _ in range(30)), key=lambda one: one.job_id)
    await desk.take(*(one.request() for one in lives))
    first = [event for one in lives for event in one.ready()]
    second = [one.held() for one in lives]
    await asyncio.gather(desk.take(*first), desk.take(*second))
    assert all(desk.said(one.job_id) == ["accepted", "dispatched"] for one in lives)


async def test_the_database_itself_refuses_a_second_end(desk: Any, asked: Any) -> None:
    one = asked()
    await desk.take(*one.life())
    with pytest.raises(asyncpg.RestrictViolationError):
        await desk.pool.execute("UPDATE jobs SET phase = 'failed' WHERE job_id = $1", one.job_id)


async def test_news_of_a_job_that_nobody_knows_is_refused(desk: Any, asked: Any) -> None:
    with pytest.raises(UnknownJob):
        await desk.take(asked(job_id=new_id("job")).held())
    assert desk.told == []


async def test_work_of_a_kind_that_a_newer_release_knows_is_left_to_that(desk: Any, asked: Any) -> None:
    """It is delivered again later, and in the end kept as a dead letter that can be replayed."""
    work = WORK.validate_python({"kind": "shoes"}, context=TOLERANT)
    one = asked()
    request = one.request()
    with pytest.raises(UnknownKind):
        await desk.take(replace(request, data=request.data.model_copy(update={"work": work})))
    assert await desk.pool.fetchval("SELECT count(*) FROM jobs") == 0
