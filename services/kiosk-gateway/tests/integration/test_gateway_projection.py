"""Facts come late, twice and in any order: the job looks the same in the end."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from closet_contracts.credit import CreditCaptured, CreditDenied, CreditHeld, CreditReleased, PriceBook, price
from closet_contracts.envelope import Event, EventData, new_event
from closet_contracts.generation import Priority
from closet_contracts.ids import new_id
from closet_contracts.job import ItemFailure, JobAccepted, JobCompleted, JobDispatched, JobExpired, JobFailed
from closet_contracts.ownership import Service
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded, ResultFile
from closet_contracts.upload import Asset, UploadReady, UploadRejected
from closet_contracts.work import TryOn
from closet_messaging.inbox import handle_batch
from closet_messaging.transaction import OutboxRow
from kiosk_gateway.domain.jobs import Status
from kiosk_gateway.handlers.projection import JobChangeNotifier, JobWatchers
from kiosk_gateway.store.intake import NewJob, add_jobs
from kiosk_gateway.store.jobs import JobRecord, read
from kiosk_gateway.subscriptions import subscriptions

NOW = datetime.now(UTC)
LATER = NOW + timedelta(minutes=15)
BOOK = PriceBook(version="2026-01", credits={"tryon": 5})
PICTURE = Asset(key="tenant/acme/x/y.png", content_type="image/png", width=8, height=8, size_bytes=9, sha256="0" * 64)
RESULT = ResultFile(
    key="tenant/acme/x/r.png", content_type="image/png", width=8, height=8, size_bytes=9, sha256="0" * 64
)


class NoRelay:
    service = Service.KIOSK_GATEWAY

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        assert not rows


class Projector:
    """Projects facts as the consumer would, a batch in one transaction."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.notifier = JobChangeNotifier(JobWatchers())

    async def project(self, *events: Event[EventData]) -> None:
        await handle_batch(self.pool, NoRelay(), subscriptions(self.notifier), events)

    async def new_job(self, items: int = 1) -> str:
        job = NewJob(new_id("job"), "acme", "u-1", "tryon", Priority.INTERACTIVE, items, 5, 50, NOW, LATER)
        async with self.pool.acquire() as conn:
            await add_jobs(conn, [job], "closet.generation.requested.v1", Service.KIOSK_GATEWAY)
        return job.job_id

    async def job(self, job_id: str) -> JobRecord:
        async with self.pool.acquire() as conn:
            return (await read(conn, [job_id]))[job_id]


def event(data: EventData, seconds: float) -> Event[EventData]:
    made = new_event(data, tenant="acme")
    object.__setattr__(made, "time", NOW + timedelta(seconds=seconds))
    return made


def completed_job_facts(job_id: str) -> list[Event[EventData]]:
    """Two attempts, then a picture."""
    of_job: dict[str, Any] = {"job_id": job_id, "user_id": "u-1"}
    account: dict[str, Any] = {"job_id": job_id, "account_id": "tenant:acme", "credits": 5}
    dispatched: dict[str, Any] = {"work": TryOn(), "inputs": (), "priority": Priority.INTERACTIVE, "deadline": LATER}
    ended: dict[str, Any] = {"job_id": job_id, "vendor_calls": 2, "vendor_ms": 10}
    facts: list[EventData] = [
        JobAccepted(
            **of_job, version=1, work=TryOn(), inputs=(), price=price(BOOK, TryOn().chargeable()), deadline=LATER
        ),
        UploadReady(**of_job, upload_id=new_id("upl"), asset=PICTURE),
        UploadReady(**of_job, upload_id=new_id("upl"), asset=PICTURE),
        CreditHeld(**account, expires_at=LATER),
        JobDispatched(**of_job, version=2, attempt=1, **dispatched),
        RenderStarted(job_id=job_id, attempt=1, vendor_task_id="1"),
        RenderFailed(**ended, attempt=1, code="vendor_busy", message="Busy.", retryable=True),
        JobDispatched(**of_job, version=3, attempt=2, **dispatched),
        RenderStarted(job_id=job_id, attempt=2, vendor_task_id="2"),
        RenderSucceeded(**ended, attempt=2, results=(RESULT,)),
        JobCompleted(**of_job, version=4, kind="tryon", results=(RESULT,), attempts=2, credits=5, vendor_ms=10),
        CreditCaptured(**account),
    ]
    return [event(fact, number + 1) for number, fact in enumerate(facts)]


def failed_job_facts(job_id: str) -> list[Event[EventData]]:
    of_job: dict[str, Any] = {"job_id": job_id, "user_id": "u-1"}
    account: dict[str, Any] = {"job_id": job_id, "account_id": "tenant:acme"}
    facts: list[EventData] = [
        JobAccepted(
            **of_job, version=1, work=TryOn(), inputs=(), price=price(BOOK, TryOn().chargeable()), deadline=LATER
        ),
        UploadRejected(**of_job, upload_id=new_id("upl"), code="not_a_picture", message="This is not a picture."),
        CreditDenied(**account, code="insufficient_credits", message="Too few.", required=5, available=1),
        JobFailed(**of_job, version=2, code="not_a_picture", message="No picture.", tip="Send one.", attempts=0),
        CreditReleased(**account, credits=0, reason="failed"),
    ]
    return [event(fact, number + 1) for number, fact in enumerate(facts)]


def batch_job_facts(job_id: str) -> list[Event[EventData]]:
    """Three items, of which the second is tried twice and the last never made."""
    of_item: list[dict[str, Any]] = [{"job_id": job_id, "item": item} for item in range(3)]
    ended: dict[str, Any] = {"vendor_calls": 2, "vendor_ms": 10}
    failed: dict[str, Any] = {**ended, "code": "no_face", "message": "No face.", "tip": "Look up.", "retryable": True}
    results = tuple(RESULT.model_copy(update={"item": item, "label": f"{item}"}) for item in range(2))
    failure = ItemFailure(item=2, code="no_face", message="No face.", tip="Look up.")
    of_job: dict[str, Any] = {"job_id": job_id, "user_id": "u-1", "version": 9, "kind": "batch", "vendor_ms": 10}
    facts: list[EventData] = [
        *(RenderStarted(**each, attempt=1, vendor_task_id="1") for each in of_item),
        RenderSucceeded(**of_item[0], **ended, attempt=1, results=(RESULT,)),
        RenderFailed(**of_item[1], **failed, attempt=1),
        RenderFailed(**of_item[2], **failed, attempt=1),
        RenderStarted(**of_item[1], attempt=2, vendor_task_id="2"),
        RenderSucceeded(**of_item[1], **ended, attempt=2, results=(RESULT,)),
        JobCompleted(**of_job, results=results, failures=(failure,), attempts=2, credits=4),
    ]
    return [event(fact, number + 1) for number, fact in enumerate(facts)]


def seen(job: JobRecord) -> dict[str, Any]:
    """All that does not depend on the order in which things became known."""
    return {
        "status": job.status,
        "progress": job.progress,
        "attempts": job.attempts,
        "charged": job.credits_charged,
        "results": job.results,
        "error": (job.error_code, job.error_message, job.error_tip, job.failures),
        "updated_at": job.updated_at,
        "ended_at": job.ended_at,
        "timeline": sorted((line.at, line.type, line.service) for line in job.timeline),
    }


@pytest.mark.parametrize(
    ("job_facts", "items"), [(completed_job_facts, 1), (failed_job_facts, 1), (batch_job_facts, 3)]
)
async def test_any_order_and_repetition_ends_the_same(pool: Any, job_facts: Any, items: int) -> None:
    projector = Projector(pool)
    outcomes = []
    for seed in range(12):
        rng = random.Random(seed)
        job_id = await projector.new_job(items)
        facts = job_facts(job_id)
        if seed:
            facts = [*facts, *rng.choices(facts, k=6)]
            # The same fact told anew, under another id: the inbox does not know it.
            facts += [event(fact.data, (fact.time - NOW).total_seconds()) for fact in rng.choices(facts, k=4)]
            rng.shuffle(facts)
        while facts:
            size = rng.randint(1, 6)
            await projector.project(*facts[:size])
            del facts[:size]
        job = await projector.job(job_id)
        assert [line.seq for line in job.timeline] == list(range(1, job.events + 1))
        outcomes.append(seen(job))
    assert all(outcome == outcomes[0] for outcome in outcomes)


async def test_a_completed_job_has_all_that_its_facts_told(pool: Any) -> None:
    projector = Projector(pool)
    job_id = await projector.new_job()
    await projector.project(*completed_job_facts(job_id))
    job = await projector.job(job_id)
    assert (job.status, job.progress, job.attempts, job.credits_charged) == (Status.COMPLETED, 100, 2, 5)
    assert job.results == (RESULT,)
    assert [line.status for line in job.timeline if line.status == "processing"] == ["processing"] * 5
    assert job.timeline[-1].type == "closet.credit.captured.v1"


async def test_items_do_not_hide_each_other_and_each_adds_its_share_of_the_progress(pool: Any) -> None:
    projector = Projector(pool)
    job_id = await projector.new_job(items=3)
    job_facts = batch_job_facts(job_id)
    await projector.project(*job_facts[:-1], *job_facts[:-1])
    job = await projector.job(job_id)
    assert (job.progress, len(job.timeline)) == (95 * 2 // 3, len(job_facts))
    row = await pool.fetchrow("SELECT items, started, made, started_at FROM jobs")
    assert tuple(row) == (3, 3, 2, job_facts[0].time)
    await projector.project(job_facts[-1])
    job = await projector.job(job_id)
    assert [(result.item, result.label) for result in job.results] == [(0, "0"), (1, "1")]
    assert [(failure.item, failure.tip) for failure in job.failures] == [(2, "Look up.")]


async def test_the_first_end_stands(pool: Any) -> None:
    projector = Projector(pool)
    job_id = await projector.new_job()
    await projector.project(*failed_job_facts(job_id))
    before = await projector.job(job_id)
    late = JobExpired(job_id=job_id, user_id="u-1", version=3, code="deadline_passed", message="Too late.", attempts=0)
    await projector.project(event(late, 99))
    assert await projector.job(job_id) == before


async def test_facts_of_unknown_jobs_change_nothing(pool: Any) -> None:
    projector = Projector(pool)
    await projector.project(*completed_job_facts(new_id("job")))
    assert await pool.fetchval("SELECT count(*) FROM job_events") == 0


async def test_two_replicas_with_the_same_jobs_do_not_wait_for_each_other_for_ever(pool: Any) -> None:

    projector = Projector(pool)
    jobs = [await projector.new_job() for _ in range(20)]
    facts_of_jobs = [completed_job_facts(job_id) for job_id in jobs]
    by_stream = [
        [fact for job_facts in facts_of_jobs for fact in job_facts if fact.type.startswith(f"closet.{noun}.")]
        for noun in NOUNS
    ]
    await asyncio.gather(
        *(projector.project(*sorted(facts, key=lambda fact: fact.correlationid)) for facts in by_stream)
    )
    assert {(await projector.job(job_id)).status for job_id in jobs} == {Status.COMPLETED}


NOUNS = ("job", "upload", "credit", "render")
