"""What is promised and what is refused follows from what the vendor can make and what waits for it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from closet_contracts.generation import Priority
from closet_contracts.render import RenderCapacityChanged, RenderStarted
from closet_devstack.testing import eventually
from kiosk_gateway.handlers import admission

NOW = datetime.now(UTC)
WORDS = {"prompt": "a red dress"}


def capacity(per_minute: float | None, *, available: bool = True, seconds: float = 0) -> RenderCapacityChanged:
    return RenderCapacityChanged(
        available=available,
        per_minute=per_minute,
        waiting=dict.fromkeys(Priority, 0),
        running=0,
        typical_s=7.2,
        measured_at=NOW + timedelta(seconds=seconds),
    )


@pytest.fixture
def set_capacity(bus: Any, pool: Any) -> Any:
    """Publishes a capacity, and waits until it is projected."""

    async def tell(fact: RenderCapacityChanged) -> None:
        await bus.emit(fact, "closet")

        async def known() -> bool:
            return bool(await pool.fetchval("SELECT max(measured_at) FROM capacity") == fact.measured_at)

        await eventually(known)

    return tell


def batch(items: int) -> dict[str, Any]:
    return {"items": [{"type": "text2img", **WORDS}] * items}


@pytest.fixture(autouse=True)
def _always_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "QUEUE_MAX_AGE_S", 0.0)


async def test_the_estimated_time_is_the_wait_and_the_usual_time(replica: Any, set_capacity: Any) -> None:
    instance = await replica()
    mine, neighbour = await instance.user(), await instance.user(tenant="other")
    assert (await mine.post("/gen/text2img", WORDS)).body["estimatedTime"] == 30
    await set_capacity(capacity(60.0))
    # The first waits already. A batch waits for all that is interactive, a neighbour for one of ours.
    assert (await mine.post("/gen/batch", batch(10))).body["estimatedTime"] == 8 + 10
    assert (await mine.post("/gen/text2img", WORDS)).body["estimatedTime"] == 8 + 1
    assert (await neighbour.post("/gen/text2img", WORDS)).body["estimatedTime"] == 8 + 1
    assert (await mine.post("/gen/batch", batch(1))).body["estimatedTime"] == 8 + 3 + 10


async def test_a_stop_at_the_vendor_is_part_of_the_estimate(replica: Any, set_capacity: Any) -> None:
    api = await (await replica()).user()
    stopped_until = datetime.now(UTC) + timedelta(seconds=300)
    await set_capacity(capacity(60.0).model_copy(update={"stopped_until": stopped_until}))
    assert 8 + 200 < (await api.post("/gen/text2img", WORDS)).body["estimatedTime"] <= 8 + 300
    await set_capacity(capacity(60.0, seconds=1))
    assert (await api.post("/gen/text2img", WORDS)).body["estimatedTime"] == 8 + 1


async def test_what_has_reached_the_vendor_waits_no_longer(
    replica: Any, bus: Any, set_capacity: Any, pool: Any
) -> None:
    api = await (await replica()).user()
    await set_capacity(capacity(60.0))
    job_id = (await api.post("/gen/batch", batch(9))).body["jobId"]
    for item in range(5):
        await bus.emit(RenderStarted(job_id=job_id, item=item, attempt=1, vendor_task_id="1"))

    async def known() -> bool:
        return bool(await pool.fetchval("SELECT started FROM jobs") == 5)

    await eventually(known)
    assert (await api.post("/gen/batch", batch(1))).body["estimatedTime"] == 8 + 4


async def test_a_wait_beyond_the_limit_is_refused_with_the_time_until_it_is_not(
    replica: Any, set_capacity: Any
) -> None:
    api = await (await replica(longest_wait_s=60)).user()
    await set_capacity(capacity(30.0))
    assert (await api.post("/gen/batch", batch(25), key="first")).status == 202
    refused = await api.post("/gen/batch", batch(20), key="second")
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, "vendor_saturated", "28")
    # What was taken on stays so, and the more urgent are still served.
    assert (await api.post("/gen/batch", batch(25), key="first")).status == 202
    assert (await api.post("/gen/text2img", WORDS)).status == 202
    await set_capacity(capacity(None, seconds=1))
    assert (await api.post("/gen/batch", batch(20), key="second")).status == 202


async def test_without_a_vendor_nothing_is_taken_on(replica: Any, bus: Any, set_capacity: Any) -> None:
    api = await (await replica()).user()
    await set_capacity(capacity(60.0, available=False, seconds=1))
    refused = await api.post("/gen/text2img", WORDS)
    assert (refused.code, refused.headers["Retry-After"]) == ("vendor_saturated", "60")
    await bus.emit(capacity(60.0), "closet")  # late: no news
    await set_capacity(capacity(None, seconds=2))
    assert (await api.post("/gen/text2img", WORDS)).status == 202


async def test_between_two_looks_a_replica_counts_what_it_takes(
    replica: Any, set_capacity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await (await replica()).user()
    await set_capacity(capacity(60.0))
    monkeypatch.setattr(admission, "QUEUE_MAX_AGE_S", 3600.0)
    times = [(await api.post("/gen/text2img", WORDS)).body["estimatedTime"] for _ in range(4)]
    assert times == [8, 9, 10, 11]
