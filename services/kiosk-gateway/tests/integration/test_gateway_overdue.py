"""A job that nobody ends is ended here: its first event was stored by nobody, say."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from closet_contracts.credit import CreditCaptured
from closet_contracts.generation import Priority
from closet_contracts.job import JobCancelled, JobExpired
from closet_contracts.render import RenderCapacityChanged
from closet_devstack.testing import eventually
from kiosk_gateway import app
from kiosk_gateway.handlers import admission

WORDS = {"prompt": "a red dress"}


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "OVERDUE_INTERVAL_S", 0.05)
    monkeypatch.setattr(admission, "QUEUE_MAX_AGE_S", 0.0)


@pytest.fixture
async def instance(replica: Any) -> Any:
    """Its jobs may take a second, and nobody takes them on."""
    return await replica(job_deadline_s=1, job_overdue_s=0, longest_wait_s=1)


async def test_it_ends_by_its_deadline_and_whoever_waits_hears_of_it(instance: Any, pool: Any) -> None:
    api = await instance.user()
    created = await api.post("/gen/text2img", WORDS, key="k")
    job_id = created.body["jobId"]
    waiting, stream = await asyncio.gather(api.get(f"/gen/job/{job_id}?wait=30"), api.get(f"/gen/job/{job_id}/events"))
    assert (waiting.body["status"], waiting.body["errorCode"]) == ("expired", "deadline_passed")
    assert waiting.body["creditsCharged"] is None
    assert b"event: job.expired" in stream.body
    (last,) = [line for line in waiting.body["timeline"] if line["type"] == "closet.job.expired.v1"]
    assert (last["service"], last["status"]) == ("kiosk-gateway", "expired")
    assert [job["id"] for job in (await api.get("/gen/jobs?status=expired")).body["jobs"]] == [job_id]
    assert (await api.post("/gen/text2img", WORDS, key="k")).body == created.body
    assert (await api.post(f"/gen/job/{job_id}/cancel")).status == 200
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%cancel%'") == 0


async def test_what_is_overdue_is_in_nobodys_way(replica: Any, bus: Any, pool: Any) -> None:
    """Also before it is ended: neither estimates nor the limit know of it."""
    instance = await replica(job_deadline_s=600, job_overdue_s=3600, longest_wait_s=60)
    mine, neighbour = await instance.user(), await instance.user(tenant="other")
    items = [{"type": "text2img", **WORDS}] * 40
    for _ in range(3):
        assert (await mine.post("/gen/batch", {"items": items})).status == 202
    fact = RenderCapacityChanged(
        available=True, per_minute=30.0, waiting=dict.fromkeys(Priority, 0), running=0, measured_at=datetime.now(UTC)
    )
    await bus.emit(fact, "closet")

    async def is_saturated() -> bool:
        return bool((await neighbour.post("/gen/batch", {"items": items})).status == 429)

    await eventually(is_saturated)
    await pool.execute("UPDATE jobs SET deadline = now()")
    (accepted,) = [await neighbour.post("/gen/batch", {"items": items[:1]})]
    assert (accepted.status, accepted.body["estimatedTime"]) == (202, 30)


async def test_the_same_end_told_later_changes_nothing(instance: Any, bus: Any, job_facts: Any) -> None:
    api = await instance.user()
    job_id = (await api.post("/gen/text2img", WORDS)).body["jobId"]
    ended = (await api.get(f"/gen/job/{job_id}?wait=30")).body
    of_job: dict[str, Any] = {"job_id": job_id, "user_id": "u-1", "version": 3, "attempts": 0}
    await bus.emit(JobExpired(**of_job, code="deadline_passed", message="Too late."))
    marker = (await api.post("/gen/text2img", WORDS)).body["jobId"]
    await bus.emit(job_facts(marker).failed())
    assert (await api.get(f"/gen/job/{marker}?wait=30")).body["status"] == "failed"
    assert (await api.get(f"/gen/job/{job_id}")).body == ended


async def test_a_job_that_had_ended_otherwise_in_time_is_shown_as_it_ended(
    instance: Any, bus: Any, job_facts: Any, pool: Any
) -> None:
    """Its owner's word was only late, and what was paid follows it. It counts once: then the end stands."""
    api = await instance.user()
    job_id = (await api.post("/gen/text2img", WORDS)).body["jobId"]
    assert (await api.get(f"/gen/job/{job_id}?wait=30")).body["status"] == "expired"
    await bus.emit(job_facts(job_id).completed())
    await bus.emit(CreditCaptured(job_id=job_id, account_id="tenant:acme", credits=5))

    async def shown() -> Any:
        body = (await api.get(f"/gen/job/{job_id}")).body
        return body if body["creditsCharged"] else None

    body = await eventually(shown)
    assert (body["status"], body["errorCode"], body["creditsCharged"], len(body["resultUrls"])) == (
        "completed",
        None,
        5,
        1,
    )
    of_job: dict[str, Any] = {"job_id": job_id, "user_id": "u-1", "version": 9, "attempts": 0}
    await bus.emit(JobCancelled(**of_job, code="cancelled", message="No."))
    marker = (await api.post("/gen/text2img", WORDS)).body["jobId"]
    await bus.emit(job_facts(marker).failed())
    assert (await api.get(f"/gen/job/{marker}?wait=30")).body["errorCode"] == "person_not_found"
    assert (await api.get(f"/gen/job/{job_id}")).body == body
    assert not await pool.fetchval("SELECT presumed FROM jobs WHERE job_id = $1", job_id)


async def test_two_replicas_end_each_job_once(replica: Any, pool: Any) -> None:
    api = await (await replica(job_deadline_s=1, job_overdue_s=0)).user()
    await replica(job_deadline_s=1, job_overdue_s=0)
    await asyncio.gather(*(api.post("/gen/text2img", WORDS) for _ in range(30)))

    async def ended() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM jobs WHERE presumed") == 30)

    await eventually(ended)
    assert await pool.fetchval("SELECT count(*) FROM job_events WHERE status = 'expired'") == 30
