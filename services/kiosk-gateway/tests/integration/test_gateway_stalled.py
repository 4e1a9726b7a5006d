"""What cannot be told to anyone is not taken on; what was taken on is told in the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from closet_devstack.testing import eventually
from closet_messaging import sweeper
from nats.js.api import DiscardPolicy

WORDS = {"prompt": "a red dress"}
STREAM = "CLOSET_GENERATION"


@asynccontextmanager
async def full(bus: Any) -> AsyncIterator[None]:
    """The stream of this service's requests takes nothing, and says so."""
    js = bus.nc.jetstream()
    config = (await js.stream_info(STREAM)).config
    await js.update_stream(config.evolve(max_bytes=1, discard=DiscardPolicy.NEW))
    yield
    await js.update_stream(config)


async def test_while_requests_do_not_reach_the_bus_no_more_are_taken_on(
    replica: Any, bus: Any, pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "EVERY_S", 0.05)
    instance = await replica(outbox_max_age_s=60)
    api = await instance.user()
    async with full(bus):
        taken = await api.post("/gen/text2img", WORDS, key="first")
        assert taken.status == 202
        await pool.execute("UPDATE outbox SET created_at = created_at - interval '2 minutes'")

        async def refused() -> bool:
            return bool((await api.post("/gen/text2img", WORDS)).status == 503)

        await eventually(refused)
        for path, body in (("/gen/text2img", WORDS), ("/gen/batch", {"items": [{"type": "text2img", **WORDS}]})):
            answer = await api.post(path, body, key="second")
            assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "intake_paused", "10")
        asked = await pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE 'closet.generation.%'")
        assert asked == await pool.fetchval("SELECT count(*) FROM jobs")
        # All that makes no job goes on, and so does what was taken on.
        assert (await api.post("/gen/text2img", WORDS, key="first")).body["jobId"] == taken.body["jobId"]
        assert (await api.post("/consent", {"given": True})).status == 200
        assert (await api.get(f"/gen/job/{taken.body['jobId']}")).status == 200
        ready = await api.call("GET", "/readyz")
        assert (ready.status, ready.body["checks"]["outbox"]["ok"]) == (503, False)
        assert [name for name, check in ready.body["checks"].items() if not check["ok"]] == ["outbox"]

    async def taken_on() -> bool:
        return bool((await api.post("/gen/text2img", WORDS, key="second")).status == 202)

    await eventually(taken_on)
    jobs = [row[0] for row in await pool.fetch("SELECT job_id FROM jobs ORDER BY created_at")]

    async def all_published() -> bool:
        return bool([event.data.job_id for event in await bus.events(STREAM)] == jobs)

    await eventually(all_published)
    assert jobs[0] == taken.body["jobId"]
    assert (await api.call("GET", "/readyz")).status == 200
