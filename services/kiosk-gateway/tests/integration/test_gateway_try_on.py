"""Asking for pictures: who may, what it takes, and that repeating is safe."""

import asyncio
from typing import Any

from closet_contracts.credit import CreditBalanceChanged
from closet_devstack.testing import eventually


async def test_a_try_on_is_taken_on_and_told_once(replica: Any, bus: Any) -> None:
    api = await (await replica(public_url="https://api.test")).user()
    await api.consent()
    body = await api.try_on_body()
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    created = await api.post("/gen/tryon", {**body, "size": {"width": 2048, "height": 2048}}, traceparent=traceparent)
    assert created.status == 202
    job_id = created.body["jobId"]
    assert created.body == {
        "jobId": job_id,
        "status": "queued",
        "estimatedTime": 30,
        "cost": {"credits": 8, "usd": "0.80"},
        "statusUrl": f"https://api.test/api/gen/job/{job_id}",
        "eventsUrl": f"https://api.test/api/gen/job/{job_id}/events",
        "cancelUrl": f"https://api.test/api/gen/job/{job_id}/cancel",
    }

    async def published() -> Any:
        return await bus.events("CLOSET_GENERATION")

    (event,) = await eventually(published)
    assert event.tenantid == "acme"
    assert event.data.job_id == job_id
    assert event.data.user_id == "u-1"
    assert [item.upload_id for item in event.data.inputs] == [body["personKey"][-36:], body["itemKey"][-36:]]
    assert event.data.price.credits == 8
    assert event.traceparent.split("-")[1] == traceparent.split("-")[1]
    job = (await api.get(f"/gen/job/{job_id}")).body
    assert (job["status"], job["type"], job["resultUrls"]) == ("queued", "tryon", [])
    assert [line["type"] for line in job["timeline"]] == ["closet.generation.requested.v1"]


async def test_many_at_once_share_transactions_and_each_gets_its_own_answer(replica: Any, bus: Any, pool: Any) -> None:
    instance = await replica()
    users = [await instance.user(f"u-{number}") for number in range(4)]
    for api in users[:3]:
        await api.consent()
    bodies = [await api.try_on_body() for api in users]
    stranger = {**bodies[0], "personKey": bodies[1]["personKey"]}
    asked = []
    for number in range(60):
        api, body = users[number % 4], bodies[number % 4]
        trace = f"00-{number + 1:032x}-b7ad6b7169203331-01"
        asked.append(api.post("/gen/tryon", body, traceparent=trace))
        asked.append(users[0].post("/gen/tryon", stranger))
    answers = await asyncio.gather(*asked)
    assert {answer.code for answer in answers[1::2]} == {"input_not_found"}
    assert {answer.code for answer in answers[0::2] if answer.status != 202} == {"consent_required"}
    taken = {number: answers[2 * number].body["jobId"] for number in range(60) if number % 4 != 3}
    assert all(answers[2 * number].status == 202 for number in taken)
    assert len(set(taken.values())) == 45
    transactions = await pool.fetchval(
        "SELECT count(DISTINCT created_at) FROM outbox WHERE subject = 'closet.generation.requested.v1'"
    )
    assert transactions < 45

    async def all_published() -> Any:
        events = await bus.events("CLOSET_GENERATION")
        return len(events) == 45 and events

    # Each event goes on with the trace of its own request, though they were committed together.
    events = await eventually(all_published)
    traces = {event.data.job_id: int(event.traceparent.split("-")[1], 16) for event in events}
    assert traces == {job_id: number + 1 for number, job_id in taken.items()}


async def test_without_consent_nothing_is_taken_on(replica: Any) -> None:
    api = await (await replica()).user()
    body = await api.try_on_body()
    refused = await api.post("/gen/tryon", body, key="k")
    assert (refused.status, refused.code) == (403, "consent_required")
    await api.consent()
    assert (await api.post("/gen/tryon", {**body, "consent": False})).code == "consent_required"
    assert (await api.post("/gen/tryon", body, key="k")).status == 202
    await api.post("/consent", {"given": False})
    assert (await api.post("/gen/tryon", body)).code == "consent_required"
    # What was done before is still answered as it was.
    assert (await api.post("/gen/tryon", body, key="k")).status == 202


async def test_consent_to_an_earlier_version_is_none(replica: Any) -> None:
    api = await (await replica(consent_version="v1.0")).user()
    await api.consent()
    later = await (await replica(consent_version="v2.0")).user()
    assert (await later.get("/consent")).body["given"] is False
    assert (await later.post("/gen/tryon", await later.try_on_body())).code == "consent_required"
    assert (await later.post("/consent", {"given": True, "version": "v1.0"})).code == "unknown_consent_version"
    assert (await later.post("/consent", {"given": True, "version": "v2.0"})).body["given"] is True


async def test_too_few_credits_are_refused_at_once_where_they_are_known(replica: Any, bus: Any) -> None:
    instance = await replica()
    api = await instance.user()
    await api.consent()
    body = await api.try_on_body()
    await bus.balance(4, version=2)
    await bus.balance(100, version=1)  # late: no news

    async def known() -> bool:
        return bool((await api.get("/billing/balance")).body["available"] == 4)

    await eventually(known)
    refused = await api.post("/gen/tryon", body)
    assert (refused.status, refused.code) == (402, "insufficient_credits")
    await bus.balance(5, version=3)

    async def taken() -> bool:
        return bool((await api.post("/gen/tryon", body, key="once")).status == 202)

    await eventually(taken)


async def test_the_newest_balance_of_a_batch_stays(replica: Any, bus: Any) -> None:
    api = await (await replica()).user()
    assert (await api.get("/billing/balance")).body["updatedAt"] is None
    for version in (3, 9, 4, 9, 1):
        await bus.balance(version * 10, version)
    fact = CreditBalanceChanged(account_id="tenant:acme", balance=95, held=20, available=75, version=10)
    await bus.emit(fact)

    async def known() -> bool:
        body = (await api.get("/billing/balance")).body
        return (body["balance"], body["held"], body["available"]) == (95, 20, 75)

    await eventually(known)


async def test_what_belongs_to_others_is_not_there(replica: Any) -> None:
    instance = await replica()
    mine, neighbour, stranger = [
        await instance.user(),
        await instance.user("u-2"),
        await instance.user("u-1", tenant="other"),
    ]
    for api in (mine, neighbour, stranger):
        await api.consent()
    body = await mine.try_on_body()
    job_id = (await mine.post("/gen/tryon", body)).body["jobId"]
    for api in (neighbour, stranger):
        assert (await api.post("/gen/tryon", body)).code == "input_not_found"
        assert (await api.get(f"/gen/job/{job_id}")).code == "job_not_found"
        assert (await api.get(f"/gen/job/{job_id}?wait=1")).code == "job_not_found"
        assert (await api.get(f"/gen/job/{job_id}/events")).code == "job_not_found"
        assert (await api.post(f"/gen/job/{job_id}/cancel")).code == "job_not_found"
        assert (await api.get(f"/gen/download/{job_id}.0")).code == "job_not_found"
        assert (await api.get("/gen/jobs")).body["jobs"] == []
    for strange in ("x", "job_1", "%00"):
        assert (await mine.get(f"/gen/job/{strange}")).code == "job_not_found"
        assert (await mine.post(f"/gen/job/{strange}/cancel")).code == "job_not_found"
    assert [job["id"] for job in (await mine.get("/gen/jobs")).body["jobs"]] == [job_id]


async def test_keys_that_name_no_upload_are_not_found(replica: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    body = await api.try_on_body()
    for key in ("tenant/acme/uploads/upl_" + "0" * 32, "../../etc/passwd", "", "tenant/acme/products/shirt_001.jpg"):
        refused = await api.post("/gen/tryon", {**body, "itemKey": key})
        assert (refused.status, refused.code) == (404, "input_not_found")
