"""A request that is made again with its key does nothing more and gets the same answer."""

import asyncio
from typing import Any

import asyncpg
from closet_devstack.testing import eventually


async def test_the_same_request_has_the_same_answer(replica: Any, pool: Any) -> None:
    api = await (await replica()).user()
    await api.consent()
    body = await api.try_on_body()
    first = await api.post("/gen/tryon", body, key="k-1")
    again = await api.post("/gen/tryon", dict(reversed(body.items())), key="k-1")
    assert (again.status, again.body) == (first.status, first.body)
    other = await api.post("/gen/tryon", {**body, "category": "dress"}, key="k-1")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert (await api.post("/gen/tryon", body, key="k-2")).body["jobId"] != first.body["jobId"]
    assert (await api.post("/gen/tryon", body, key="not a key")).code == "invalid_idempotency_key"
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 2


async def test_a_key_is_its_users_own(replica: Any) -> None:
    instance = await replica()
    jobs = set()
    for user in ("u-1", "u-2"):
        api = await instance.user(user)
        await api.consent()
        jobs.add((await api.post("/gen/tryon", await api.try_on_body(), key="k")).body["jobId"])
    assert len(jobs) == 2


async def test_a_race_over_two_replicas_makes_one_job(replica: Any, bus: Any, pool: Any) -> None:
    here, there = [await (await replica()).user() for _ in range(2)]
    await here.consent()
    bodies = [await here.try_on_body() for _ in range(8)]
    asked = [
        api.post("/gen/tryon", body, key=f"k-{number}")
        for _ in range(4)
        for api in (here, there)
        for number, body in enumerate(bodies)
    ]
    answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["jobId"] for answer in answers}) == 8
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 8

    async def published() -> bool:
        return len(await bus.events("CLOSET_GENERATION")) == 8

    await eventually(published)


async def test_one_key_for_two_bodies_at_once_takes_one(replica: Any) -> None:
    here, there = [await (await replica()).user() for _ in range(2)]
    await here.consent()
    bodies = [await here.try_on_body() for _ in range(2)]
    answers = await asyncio.gather(*(api.post("/gen/tryon", body, key="k") for api in (here, there) for body in bodies))
    assert sorted(answer.status for answer in answers) == [202, 202, 422, 422]
    assert len({answer.body["jobId"] for answer in answers if answer.status == 202}) == 1


async def test_an_upload_is_announced_once_and_signed_afresh(replica: Any, pool: Any) -> None:
    here, there = [await (await replica()).user() for _ in range(2)]
    asked = {"filename": "me.jpg", "contentType": "image/jpeg", "size": 7}
    answers = await asyncio.gather(*(api.post("/gen/upload-url", asked, key="k") for api in (here, there) * 3))
    assert len({answer.body["uploadId"] for answer in answers}) == 1
    assert answers[0].body["headers"] == {"Content-Type": "image/jpeg"}
    assert (await here.post("/gen/upload-url", {**asked, "size": 8}, key="k")).code == "idempotency_key_reused"
    assert await pool.fetchval("SELECT count(*) FROM uploads") == 1


async def test_consent_that_is_given_again_late_does_not_undo_the_withdrawal(replica: Any, pool: Any) -> None:
    here, there = [await (await replica()).user() for _ in range(2)]
    given = await asyncio.gather(*(api.post("/consent", {"given": True}, key="give") for api in (here, there) * 3))
    assert len({answer.body["givenAt"] for answer in given}) == 1
    withdrawn = await here.post("/consent", {"given": False}, key="withdraw")
    assert withdrawn.body["given"] is False
    assert withdrawn.body["withdrawnAt"] > withdrawn.body["givenAt"]
    assert (await there.post("/consent", {"given": True}, key="give")).body == given[0].body
    assert (await here.get("/consent")).body["given"] is False
    assert (await here.post("/consent", {"given": True}, key="withdraw")).code == "idempotency_key_reused"
    log = await pool.fetch("SELECT given FROM consent_log ORDER BY id")
    assert [row["given"] for row in log] == [True, False]
    emitted = await pool.fetch("SELECT subject FROM outbox ORDER BY id")
    assert [row["subject"].split(".")[2] for row in emitted] == ["consent_given", "consent_withdrawn"]


async def _blocked(pool: Any) -> int | None:
    pid: int | None = await pool.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return pid


async def test_a_failed_transaction_leaves_nothing_and_can_be_repeated(
    replica: Any, pool: Any, database_url: str
) -> None:
    api = await (await replica()).user()
    await api.consent()
    bodies = [await api.try_on_body() for _ in range(3)]
    blocker = await asyncpg.connect(database_url)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE job_events IN ACCESS EXCLUSIVE MODE")
        waiting = [asyncio.ensure_future(api.post("/gen/tryon", body, key=f"k-{i}")) for i, body in enumerate(bodies)]
        pid = await eventually(lambda: _blocked(pool))
        await blocker.execute("SELECT pg_terminate_backend($1)", pid)
        failed = await waiting[0]
        assert (failed.status, failed.code) == (503, "unavailable")
        assert failed.headers["Retry-After"] == "1"
        assert await pool.fetchval("SELECT count(*) FROM idempotency WHERE key = 'k-0'") == 0
    await blocker.close()
    await asyncio.gather(*waiting)
    answers = [await api.post("/gen/tryon", body, key=f"k-{i}") for i, body in enumerate(bodies)]
    assert {answer.status for answer in answers} == {202}
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 3


async def test_a_client_that_goes_away_takes_nothing_back(replica: Any, pool: Any, database_url: str) -> None:
    api = await (await replica()).user()
    await api.consent()
    body = await api.try_on_body()
    blocker = await asyncpg.connect(database_url)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE job_events IN ACCESS EXCLUSIVE MODE")
        gone = asyncio.ensure_future(api.post("/gen/tryon", body, key="gone"))
        await eventually(lambda: _blocked(pool))
        stays = asyncio.ensure_future(api.post("/gen/tryon", body, key="stays"))
        gone.cancel()
        await asyncio.wait([gone])
    await blocker.close()
    assert (await stays).status == 202
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 2
    assert (await api.post("/gen/tryon", body, key="gone")).status == 202
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 2
