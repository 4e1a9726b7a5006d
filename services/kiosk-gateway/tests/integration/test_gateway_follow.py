"""Following a job: streams that resume anywhere, long polls, ETags, lists, results."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from closet_contracts.job import ItemFailure
from closet_devstack.testing import eventually
from kiosk_gateway import app
from kiosk_gateway.handlers import jobs as handlers
from kiosk_gateway.handlers.projection import JobWatchers
from kiosk_gateway.http import events as streams


async def lines_of(api: Any, job_id: str, last: str = "") -> AsyncGenerator[dict[str, Any], None]:
    """The events of a stream until its end."""
    headers = {**api.headers, **({"Last-Event-ID": last} if last else {})}
    async with api.session.get(f"{api.base}/api/gen/job/{job_id}/events", headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        found: dict[str, str] = {}
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                found[name] = value
            elif "data" in found:
                yield {"id": found["id"], "event": found["event"], **json.loads(found["data"])}
                found = {}


async def test_a_stream_tells_the_whole_life_and_ends(replica: Any, bus: Any, job_facts: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    job = job_facts(await api.try_on())
    stream = lines_of(api, job.job_id)
    assert (await anext(stream))["event"] == "generation.requested"
    await bus.emit(job.accepted())
    accepted = await anext(stream)
    assert (accepted["event"], accepted["type"]) == ("job.accepted", "closet.job.accepted.v1")
    assert (accepted["service"], accepted["status"]) == ("job-orchestrator", "queued")
    assert accepted["elapsedMs"] >= 0
    await bus.emit(job.started())
    assert (await anext(stream))["status"] == "processing"
    await bus.emit(job.completed())
    assert (await anext(stream))["status"] == "completed"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_stream_resumes_at_another_replica_without_a_gap(
    replica: Any, bus: Any, job_facts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "POLL_INTERVAL_S", 3600.0)  # only the notification wakes them
    instances = [await replica(), await replica()]
    apis = [await instance.user() for instance in instances]
    await apis[0].consent()
    job = job_facts(await apis[0].try_on())
    facts = [job.accepted(), job.started(), job.started(2), job.started(3), job.completed()]
    seen: list[dict[str, Any]] = []
    for number in range(len(facts) + 1):
        last = seen[-1]["id"] if seen else ""
        stream = lines_of(apis[number % 2], job.job_id, last)
        seen.append(await anext(stream))
        if number < len(facts):
            following = asyncio.ensure_future(anext(stream))
            await bus.emit(facts[number])
            assert (await following)["type"] == facts[number].TYPE
        await stream.aclose()
    assert [line["type"] for line in seen[1:]] == [fact.TYPE for fact in facts]
    assert [int(line["id"]) for line in seen] == [1, 2, 3, 4, 5, 6]
    ended = await apis[1].get(f"/gen/job/{job.job_id}/events", Last_Event_ID="6")
    assert (ended.status, ended.body) == (204, b"")
    assert (await apis[1].get(f"/gen/job/{job.job_id}/events", Last_Event_ID="x")).code == "invalid_last_event_id"


async def test_a_stream_after_an_id_that_no_line_has_ends_with_its_job(replica: Any, bus: Any, job_facts: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    job = job_facts(await api.try_on())
    headers = {**api.headers, "Last-Event-ID": "99"}
    async with api.session.get(f"{api.base}/api/gen/job/{job.job_id}/events", headers=headers) as response:
        assert response.status == 200, "it has begun before the job ends"
        await bus.emit(job.failed())
        assert b"data: " not in await response.read()


async def test_who_waits_looks_even_if_the_bell_is_lost(
    replica: Any, bus: Any, job_facts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "POLL_INTERVAL_S", 0.05)
    monkeypatch.setattr("kiosk_gateway.handlers.projection.JobWatchers.notify", lambda *_: None)
    api = await (await replica()).user()
    await api.consent()
    job = job_facts(await api.try_on())
    stream = lines_of(api, job.job_id)
    await anext(stream)
    await bus.emit(job.accepted())
    assert (await anext(stream))["event"] == "job.accepted"
    await stream.aclose()


async def test_a_silent_stream_has_a_heartbeat(replica: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.05)
    api = await (await replica()).user()
    await api.consent()
    job_id = await api.try_on()
    async with api.session.get(f"{api.base}/api/gen/job/{job_id}/events", headers=api.headers) as response:
        async for raw in response.content:
            if raw.startswith(b":"):
                break


async def test_streams_and_polls_end_when_the_process_stops(replica: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    watchers = JobWatchers()
    monkeypatch.setattr(app, "JobWatchers", lambda: watchers)
    instance = await replica()
    api = await instance.user()
    await api.consent()
    job_id = await api.try_on()
    stream = lines_of(api, job_id)
    await anext(stream)
    poll = asyncio.ensure_future(api.get(f"/gen/job/{job_id}?wait=30"))
    await eventually(lambda: len(watchers._watchers.get(job_id, ())) == 2)
    await instance.stop()
    assert (await poll).body["status"] == "queued"
    assert [line async for line in stream] == []


async def test_a_long_poll_waits_for_the_end_and_with_an_etag_for_any_change(
    replica: Any, bus: Any, job_facts: Any
) -> None:
    instances = [await replica(), await replica()]
    here, there = [await instance.user() for instance in instances]
    await here.consent()
    job = job_facts(await here.try_on())
    path = f"/gen/job/{job.job_id}"
    first = await here.get(path)
    etag = first.headers["ETag"]
    assert "private" in first.headers["Cache-Control"]
    assert (await here.get(path, If_None_Match=etag)).status == 304
    unchanged = await here.get(f"{path}?wait=0.05", If_None_Match=etag)
    assert (unchanged.status, unchanged.body) == (304, b"")
    for_change = asyncio.ensure_future(here.get(f"{path}?wait=30", If_None_Match=etag))
    for_end = asyncio.ensure_future(there.get(f"{path}?wait=30"))
    await bus.emit(job.accepted())
    changed = await for_change
    assert changed.status == 200
    assert changed.headers["ETag"] != etag
    assert changed.body["progress"] == 5
    await bus.emit(job.failed())
    ended = await for_end
    assert ended.body["status"] == "failed"
    assert (ended.body["errorCode"], ended.body["errorMessage"], ended.body["errorTip"]) == (
        "person_not_found",
        "No person could be found in the photo.",
        "Stand in front of the camera.",
    )
    assert (await here.get(f"{path}?wait=30")).status == 200
    assert (await here.get(f"{path}?wait=soon")).code == "invalid_request"
    assert (await here.get(f"{path}?wait=nan")).code == "invalid_request"


async def test_results_are_signed_for_their_owner(replica: Any, bus: Any, job_facts: Any) -> None:
    instance = await replica()
    api = await instance.user()
    await api.consent()
    job = job_facts(await api.try_on())
    await bus.emit(job.completed())
    body = (await api.get(f"/gen/job/{job.job_id}?wait=30")).body
    assert body["resultUrls"] == [f"https://s3.test/tenant/acme/results/{job.job_id}/result_0.png?signed"]
    (result,) = body["results"]
    download = await api.get(result["downloadUrl"].removeprefix("/api"))
    assert download.status == 302, download
    assert download.headers["Location"] == body["resultUrls"][0]
    for missing in (f"{job.job_id}.1", "x", f"{job.job_id}.-1"):
        assert (await api.get(f"/gen/download/{missing}")).code == "asset_not_found"
    stranger = await instance.user(tenant="other")
    assert (await stranger.get(f"/gen/download/{result['assetId']}")).status == 404
    assert (await api.post(f"/gen/job/{job.job_id}/cancel")).status == 200


async def test_results_of_a_batch_name_their_items_and_what_failed(replica: Any, bus: Any, job_facts: Any) -> None:
    api = await (await replica()).user()
    created = await api.post("/gen/batch", {"items": [{"type": "text2img", "prompt": "a"}] * 2})
    completed = job_facts(created.body["jobId"]).completed()
    scores = {"content_type": "application/json", "width": None, "height": None}
    results = [completed.results[0].model_copy(update={**scores, "item": 1, "label": f"{n}"}) for n in range(70)]
    failure = ItemFailure(item=0, code="unsafe", message="No.", tip="Other words.")
    await bus.emit(completed.model_copy(update={"results": tuple(results), "failures": (failure,)}))
    body = (await api.get(f"/gen/job/{completed.job_id}?wait=30")).body
    assert len(body["resultUrls"]) == 70, "more than one question to the signer may name"
    last = body["results"][69]
    assert (last["item"], last["label"], last["contentType"], last["width"]) == (1, "69", "application/json", None)
    assert body["failures"] == [{"item": 0, "code": "unsafe", "message": "No.", "tip": "Other words.", "role": None}]
    download = await api.get(last["downloadUrl"].removeprefix("/api"))
    assert download.status == 302, download
    assert download.headers["Location"] == body["resultUrls"][69]


async def test_a_cancellation_is_told_once(replica: Any, bus: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    job_id = await api.try_on()
    answers = await asyncio.gather(*(api.post(f"/gen/job/{job_id}/cancel?wait=0") for _ in range(4)))
    assert {answer.status for answer in answers} == {202}
    assert (await api.post(f"/gen/job/{job_id}/cancel?wait=0", key="k")).body["cancelRequested"] is True
    assert (await api.post(f"/gen/job/{job_id}/cancel?wait=0", key="k")).status == 202

    async def published() -> Any:
        events = await bus.events("CLOSET_GENERATION")
        return [event.type for event in events][1:]

    assert await eventually(published) == ["closet.generation.cancel_requested.v1"]


async def test_lists_are_paged_newest_first(replica: Any, bus: Any, job_facts: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    jobs = [await api.try_on() for _ in range(5)]
    await bus.emit(job_facts(jobs[0]).failed())
    seen, cursor = [], ""
    while True:
        page = (await api.get(f"/gen/jobs?limit=1{cursor}")).body
        seen += [job["id"] for job in page["jobs"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == jobs[::-1]
    await api.get(f"/gen/job/{jobs[0]}?wait=30")
    failed = (await api.get("/gen/jobs?status=failed")).body["jobs"]
    assert [job["id"] for job in failed] == jobs[:1]
    for bad in ("x", "!!", "A" * 12):
        assert (await api.get(f"/gen/jobs?cursor={bad}")).code == "invalid_cursor"
    assert (await api.get("/gen/jobs?limit=0")).code == "invalid_request"
