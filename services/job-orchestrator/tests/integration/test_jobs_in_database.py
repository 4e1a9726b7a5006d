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


async def test_a_good_life(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle_each(*one.whole_run())
    assert harness.event_names(one.job_id) == ["accepted", "dispatched", "completed"]
    accepted, dispatched, completed = [event.data for event in harness.emitted]
    assert isinstance(dispatched, JobDispatched)
    assert [(part.role.value, part.asset.key) for part in dispatched.inputs] == [
        ("person", f"tenant/acme/{one.uploads[0]}"),
        ("garment", f"tenant/acme/{one.uploads[1]}"),
    ]
    assert isinstance(completed, JobCompleted)
    assert (completed.credits, completed.attempts, completed.vendor_ms, len(completed.results)) == (5, 1, 700, 1)
    assert accepted.version < dispatched.version < completed.version
    assert {event.tenantid for event in harness.emitted} == {"acme"}
    attempt = dict((await harness.pool.fetch("SELECT * FROM attempts"))[0])
    assert (attempt["outcome"], attempt["vendor_task_id"], attempt["vendor_calls"]) == (
        "succeeded",
        "918273645546372819",
        2,
    )
    assert None not in (attempt["dispatched_at"], attempt["started_at"], attempt["ended_at"])


async def test_one_batch_does_what_single_events_do(harness: Any, job_facts: Any) -> None:
    facts_of_jobs = [job_facts() for _ in range(20)]
    await harness.handle(*(event for one in facts_of_jobs for event in one.whole_run()))
    assert all(harness.event_names(one.job_id) == ["accepted", "dispatched", "completed"] for one in facts_of_jobs)
    assert (await harness.job(facts_of_jobs[0].job_id))["phase"] == "completed"


@pytest.mark.parametrize("seed", range(5))
async def test_facts_twice_in_any_order_lead_to_the_same_end(harness: Any, job_facts: Any, seed: int) -> None:
    """What comes too early is refused, and delivered again later: so the bus does it."""
    dice = random.Random(seed)
    one = job_facts()
    waiting = [*one.whole_run(), *(one.event(event.data) for event in one.whole_run())]
    while waiting:
        dice.shuffle(waiting)
        refused = []
        for event in waiting:
            try:
                await harness.handle(event)
            except UnknownJob:
                refused.append(event)
        # A start or an end before its dispatch is stale news of an attempt that is not there: causes come first.
        waiting = refused
        if not waiting and (await harness.job(one.job_id))["phase"] != "completed":
            waiting = [one.started(), one.succeeded(), one.succeeded()]
    said = harness.event_names(one.job_id)
    assert said == ["accepted", "dispatched", "completed"]


async def test_an_event_delivered_again_counts_once(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    life = one.whole_run()
    await harness.handle_each(*life)
    await harness.handle(*life)
    assert harness.event_names(one.job_id) == ["accepted", "dispatched", "completed"]


async def test_attempts_are_repeated_and_kept(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(one.request(), *one.ready(), one.held(), one.started(), one.failed())
    await harness.handle_each(one.started(2), one.failed(2), one.started(3), one.failed(3))
    assert harness.event_names(one.job_id) == ["accepted", *["dispatched"] * 3, "failed"]
    failed = harness.emitted[-1].data
    assert isinstance(failed, JobFailed)
    assert (failed.code, failed.attempts) == ("person_not_found", 3)
    outcomes = await harness.pool.fetch("SELECT outcome, vendor_code FROM attempts ORDER BY attempt")
    assert [tuple(row) for row in outcomes] == [("person_not_found", "error_no_face")] * 3
    job = await harness.job(one.job_id)
    assert (job["code"], job["message"]) == ("person_not_found", "No person could be found in the photo.")


async def test_a_rejected_input_passes_its_code_on(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(one.request())
    rejected = UploadRejected(
        upload_id=one.uploads[1], job_id=one.job_id, user_id="u-1", code="input_missing", message="It never came."
    )
    await harness.handle(one.event(rejected), one.held())
    assert harness.event_names(one.job_id) == ["accepted", "failed"]
    failed = harness.emitted[-1].data
    assert (failed.code, failed.message, failed.role) == ("input_missing", "Garment: It never came.", "garment")


async def test_denied_credits_fail_the_job(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(one.request(), one.denied(), *one.ready())
    assert harness.event_names(one.job_id) == ["accepted", "failed"]
    assert harness.emitted[-1].data.code == "insufficient_credits"


async def test_a_cancelled_job_stays_cancelled_whatever_the_vendor_says(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(one.request(), *one.ready(), one.held(), one.started())
    await harness.handle(one.cancel())
    before = await harness.job(one.job_id)
    await harness.handle(one.succeeded())
    assert await harness.job(one.job_id) == before
    assert harness.event_names(one.job_id) == ["accepted", "dispatched", "cancelled"]
    assert await harness.pool.fetchval("SELECT outcome FROM attempts") == "succeeded", "what the vendor did is kept"


async def test_a_cancel_ends_a_job_whose_request_was_never_heard_of_and_stays_its_end(
    harness: Any, job_facts: Any
) -> None:
    one = job_facts()
    await harness.handle(one.cancel())
    await harness.handle(one.cancel(), one.request())
    assert harness.event_names(one.job_id) == ["cancelled"]
    cancelled = harness.emitted[-1].data
    assert (cancelled.code, cancelled.credits, cancelled.attempts) == ("cancelled", 0, 0)
    stranger = job_facts(tenant="evil", job_id=one.job_id)
    with pytest.raises(UnknownJob):
        await harness.handle(stranger.cancel())


async def test_a_request_and_its_cancel_at_once_give_one_end(harness: Any, job_facts: Any) -> None:
    for _ in range(10):
        one = job_facts()
        await asyncio.gather(harness.handle(one.request()), harness.handle(one.cancel()))
        assert harness.event_names(one.job_id) in (["cancelled"], ["accepted", "cancelled"])


async def test_a_request_that_comes_too_late_expires_before_anybody_touches_the_photo(
    harness: Any, job_facts: Any
) -> None:
    one = job_facts(deadline=datetime.now(UTC) - timedelta(seconds=1))
    await harness.handle(one.request())
    assert harness.event_names(one.job_id) == ["expired"]


async def test_another_tenants_news_do_not_touch_a_job(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(one.request())
    stranger = job_facts(tenant="evil", job_id=one.job_id, uploads=one.uploads)
    for event in (*stranger.ready(), stranger.denied()):
        with pytest.raises(UnknownJob):
            await harness.handle(event)
    with pytest.raises(UnknownJob):
        await harness.handle(*one.ready(), stranger.held())
    assert (await harness.job(one.job_id))["version"] == 1


async def test_the_same_request_twice_makes_one_job(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(one.request(), one.request())
    await harness.handle(one.request())
    assert harness.event_names(one.job_id) == ["accepted"]


def withdrawal(one: Any, minutes: int = 1) -> Any:
    at = one.consent_given_at + timedelta(minutes=minutes)
    return one.event(PersonConsentWithdrawn(user_id=one.user_id, withdrawn_at=at))


async def test_withdrawn_consent_stops_all_of_a_persons_waiting_jobs_and_no_others(
    harness: Any, job_facts: Any
) -> None:
    waiting, dispatched, running = job_facts(), job_facts(), job_facts()
    other, elsewhere = job_facts(user_id="u-2"), job_facts(tenant="zara")
    await harness.handle(*(one.request() for one in (waiting, dispatched, running, other, elsewhere)))
    await harness.handle(*dispatched.ready(), dispatched.held(), *running.ready(), running.held(), running.started())
    await harness.handle(withdrawal(waiting))
    assert harness.event_names(waiting.job_id)[-1] == "cancelled"
    assert harness.event_names(dispatched.job_id)[-1] == "stop_requested"
    await harness.handle(dispatched.failed(retryable=False))
    assert harness.event_names(dispatched.job_id)[-1] == "cancelled"
    for one in (running, other, elsewhere):
        assert "cancelled" not in harness.event_names(one.job_id)
    cancelled = harness.emitted[-1].data
    assert isinstance(cancelled, JobCancelled)
    assert cancelled.code == "consent_withdrawn"


async def test_a_withdrawal_that_overtook_the_request_ends_it_before_anybody_touches_the_photo(
    harness: Any, job_facts: Any
) -> None:
    one = job_facts()
    await harness.handle(withdrawal(one))
    await harness.handle(one.request())
    assert harness.event_names(one.job_id) == ["cancelled"]


async def test_a_withdrawal_unseen_at_acceptance_is_seen_before_the_vendor(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(one.request())
    await harness.pool.execute("INSERT INTO withdrawals VALUES ('acme', 'u-1', $1)", one.consent_given_at)
    await harness.handle(*one.ready(), one.held())
    assert harness.event_names(one.job_id) == ["accepted", "cancelled"]


async def test_a_later_consent_allows_later_requests_even_if_an_old_withdrawal_comes_late(
    harness: Any, job_facts: Any
) -> None:
    old = job_facts()
    later = job_facts(consent_given_at=old.consent_given_at + timedelta(minutes=2))
    await harness.handle(later.request())
    await harness.handle(withdrawal(old))
    await harness.handle(withdrawal(old, minutes=-1))
    await harness.handle(*later.ready(), later.held())
    assert harness.event_names(later.job_id) == ["accepted", "dispatched"]
    await harness.handle(old.request())
    assert harness.event_names(old.job_id) == ["cancelled"], "the later withdrawal is the one remembered"


async def test_facts_about_one_job_taken_at_once_by_many_lose_nothing(harness: Any, job_facts: Any) -> None:
    for _ in range(10):
        one = job_facts()
        await harness.handle(one.request())
        await asyncio.gather(*(harness.handle(event) for event in (*one.ready(), one.held())))
        assert harness.event_names(one.job_id) == ["accepted", "dispatched"]


async def test_replicas_with_the_same_jobs_in_their_batches_do_not_deadlock(harness: Any, job_facts: Any) -> None:
    facts_of_jobs = sorted((job_facts() for _ in range(30)), key=lambda one: one.job_id)
    await harness.handle(*(one.request() for one in facts_of_jobs))
    first = [event for one in facts_of_jobs for event in one.ready()]
    second = [one.held() for one in facts_of_jobs]
    await asyncio.gather(harness.handle(*first), harness.handle(*second))
    assert all(harness.event_names(one.job_id) == ["accepted", "dispatched"] for one in facts_of_jobs)


async def test_the_database_itself_refuses_a_second_end(harness: Any, job_facts: Any) -> None:
    one = job_facts()
    await harness.handle(*one.whole_run())
    with pytest.raises(asyncpg.RestrictViolationError):
        await harness.pool.execute("UPDATE jobs SET phase = 'failed' WHERE job_id = $1", one.job_id)


async def test_news_of_a_job_that_nobody_knows_is_refused(harness: Any, job_facts: Any) -> None:
    with pytest.raises(UnknownJob):
        await harness.handle(job_facts(job_id=new_id("job")).held())
    assert harness.emitted == []


async def test_work_of_a_kind_that_a_newer_release_knows_is_left_to_that(harness: Any, job_facts: Any) -> None:
    """It is delivered again later, and in the end kept as a dead letter that can be replayed."""
    work = WORK.validate_python({"kind": "shoes"}, context=TOLERANT)
    one = job_facts()
    request = one.request()
    with pytest.raises(UnknownKind):
        await harness.handle(replace(request, data=request.data.model_copy(update={"work": work})))
    assert await harness.pool.fetchval("SELECT count(*) FROM jobs") == 0
