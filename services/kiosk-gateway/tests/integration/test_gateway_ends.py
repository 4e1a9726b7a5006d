"""What a client is told of a job that was given up, whose input cannot be used, or whose results nobody signs."""

import asyncio
from typing import Any

import pytest
from closet_contracts.credit import CreditCaptured
from closet_contracts.job import ItemFailure, JobCancelled, JobFailed
from closet_contracts.upload import UploadRejected
from closet_contracts.work import Role
from closet_devstack.testing import eventually
from closet_messaging import rpc


async def test_the_answer_to_a_cancel_says_what_is_charged_and_why(replica: Any, bus: Any, job_facts: Any) -> None:
    api = await (await replica()).user()
    job_id = (await api.post("/gen/batch", {"items": [{"type": "text2img", "prompt": "a"}] * 3})).body["jobId"]
    made = job_facts(job_id).completed().results
    message = "You cancelled this picture. 4 credits are charged for what had been begun."

    async def orchestrate() -> None:
        async def asked() -> bool:
            return any("cancel" in event.type for event in await bus.events("CLOSET_GENERATION"))

        await eventually(asked)
        ids: dict[str, Any] = {"job_id": job_id, "user_id": "u-1", "version": 4, "attempts": 1}
        await bus.emit(JobCancelled(**ids, code="cancelled", message=message, credits=4, results=made))

    answer, _ = await asyncio.gather(api.post(f"/gen/job/{job_id}/cancel?wait=30"), orchestrate())
    assert (answer.status, answer.body["status"]) == (200, "cancelled")
    assert (answer.body["creditsCharged"], answer.body["errorMessage"]) == (4, message)
    assert len(answer.body["resultUrls"]) == 1, "what is paid and was made is shown"
    await bus.emit(CreditCaptured(job_id=job_id, account_id="tenant:acme", credits=4))

    async def published() -> Any:
        body = (await api.get(f"/gen/job/{job_id}")).body
        return body if "closet.credit.captured.v1" in {line["type"] for line in body["timeline"]} else None

    assert (await eventually(published))["creditsCharged"] == 4


async def test_a_bad_input_is_named_in_the_job_and_its_timeline(replica: Any, bus: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    person, shirt, dress = [await api.upload() for _ in range(3)]
    items = [{"type": "tryon", "personKey": person, "itemKey": key} for key in (shirt, dress)]
    job_id = (await api.post("/gen/batch", {"items": items})).body["jobId"]
    of_job: dict[str, Any] = {"job_id": job_id, "user_id": "u-1"}
    said: dict[str, Any] = {"code": "not_a_picture", "message": "This is not a picture."}
    await bus.emit(UploadRejected(**of_job, upload_id=person.rpartition("/")[2], **said))
    failed: dict[str, Any] = {"code": "not_a_picture", "message": "Item 0, person: This is not a picture."}
    await bus.emit(JobFailed(**of_job, version=2, attempts=0, item=0, role=Role.PERSON, **failed))
    body = (await api.get(f"/gen/job/{job_id}?wait=30")).body
    assert body["errorMessage"] == "Item 0, person: This is not a picture."

    async def published() -> Any:
        timeline = (await api.get(f"/gen/job/{job_id}")).body["timeline"]
        return [line for line in timeline if line["type"] == "closet.upload.rejected.v1"]

    (line,) = await eventually(published)
    assert line["code"] == "not_a_picture"
    assert line["inputs"] == [{"item": 0, "role": "person"}, {"item": 1, "role": "person"}]


async def test_a_failed_item_says_which_input_it_failed_for(replica: Any, bus: Any, job_facts: Any) -> None:
    api = await (await replica()).user()
    completed = job_facts((await api.post("/gen/text2img", {"prompt": "a"})).body["jobId"]).completed()
    failure = ItemFailure(item=1, code="not_a_picture", message="Item 1, garment: No.", role=Role.GARMENT)
    await bus.emit(completed.model_copy(update={"failures": (failure,)}))
    (shown,) = (await api.get(f"/gen/job/{completed.job_id}?wait=30")).body["failures"]
    assert (shown["item"], shown["role"]) == (1, "garment")


async def test_a_job_whose_results_cannot_be_signed_is_shown_without_their_urls(
    replica: Any, bus: Any, job_facts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await (await replica()).user()
    job = job_facts((await api.post("/gen/text2img", {"prompt": "a"})).body["jobId"])
    await bus.emit(job.completed())

    async def refuse(*_: Any, **__: Any) -> None:
        raise rpc.RpcFailed("not_found", "There is no such result.")

    monkeypatch.setattr(rpc, "ask", refuse)
    shown = await api.get(f"/gen/job/{job.job_id}?wait=30")
    assert (shown.status, shown.body["status"], shown.body["resultUrls"]) == (200, "completed", [])
    assert len(shown.body["results"]) == 1
    download = await api.get(shown.body["results"][0]["downloadUrl"].removeprefix("/api"))
    assert (download.status, download.code) == (404, "asset_not_found")
