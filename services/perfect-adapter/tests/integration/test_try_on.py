"""A try-on through the service: the good way, and every way in which the vendor says no."""

import io
from typing import Any

import pytest
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded
from closet_contracts.work import Size
from closet_devstack.samples import blank_jpeg, garment_png
from PIL import Image


async def test_a_try_on_costs_two_calls_and_ends_in_the_tenants_results(start: Any, world: Any) -> None:
    await start()
    event = world.dispatched()
    await world.say(event)
    end = await world.end(event.data.job_id)
    started, succeeded = await world.heard(event.data.job_id)
    assert (type(started.data), type(succeeded.data)) == (RenderStarted, RenderSucceeded)
    assert {one.tenantid for one in (started, succeeded)} == {world.tenant}
    assert {one.causationid for one in (started, succeeded)} == {event.id}
    assert {one.traceparent.split("-")[1] for one in (started, succeeded)} == {event.traceparent.split("-")[1]}
    [task] = await world.vendor.tasks()
    assert (task["taskId"], task["looks"], task["options"]["category"]) == (
        started.data.vendor_task_id,
        1,
        "full_body",
    )
    assert await world.calls() == {"create": 1, "look": 1}
    assert end.data.vendor_calls == 2
    assert 0 <= end.data.vendor_ms < 20_000
    [result] = end.data.results
    assert result.key == f"tenant/{world.tenant}/results/{event.data.job_id}/result_0.jpg"
    stored = await world.objects.get(result.key, 1 << 25)
    assert Image.open(io.BytesIO(stored)).size == (result.width, result.height)
    info = await world.objects.head(result.key)
    assert (info.content_type, info.encryption, info.size) == ("image/jpeg", "AES256", result.size_bytes)


async def test_the_result_has_the_size_asked_for_and_no_metadata(start: Any, world: Any) -> None:
    await start()
    await world.vendor.change(result_metadata=True)
    plain, sized = await world.job(), await world.job(size=Size(width=600, height=600))
    for job_id, size in ((plain, None), (sized, (600, 600))):
        [result] = (await world.end(job_id)).data.results
        picture = Image.open(io.BytesIO(await world.objects.get(result.key, 1 << 25)))
        assert not picture.getexif()
        assert size is None or picture.size == size == (result.width, result.height)


async def test_a_person_whom_the_vendor_does_not_find(start: Any, world: Any) -> None:
    await start()
    await world.bring(blank_jpeg(), garment_png())
    end = await world.end(await world.job())
    assert isinstance(end.data, RenderFailed)
    assert (end.data.code, end.data.vendor_code) == ("person_not_found", "error_no_face")
    assert (end.data.retryable, end.data.vendor_calls) == (False, 2)
    assert "person" in end.data.message


@pytest.mark.parametrize(
    ("engine", "code", "retryable"),
    [
        ("error_inference", "vendor_failed", True),
        ("unknown_internal_error", "vendor_failed", True),
        ("error_multiple_people", "several_people", False),
        ("error_nobody_has_heard_of_yet", "vendor_failed", True),
    ],
)
async def test_engine_errors_inside_a_200(start: Any, world: Any, engine: str, code: str, retryable: bool) -> None:
    await start()
    await world.vendor.fault("engine_error", code=engine)
    end = (await world.end(await world.job())).data
    assert (end.code, end.vendor_code, end.retryable) == (code, engine, retryable)
    assert end.message.endswith(".")


async def test_a_second_attempt_is_a_second_task(start: Any, world: Any) -> None:
    await start()
    await world.vendor.fault("engine_error", code="error_inference")
    job_id = await world.job()
    assert (await world.end(job_id)).data.retryable
    await world.say(world.dispatched(job_id=job_id, attempt=2))
    await world.told(job_id, 4)
    assert [(type(event.data).__name__, event.data.attempt) for event in await world.heard(job_id)] == [
        ("RenderStarted", 1),
        ("RenderFailed", 1),
        ("RenderStarted", 2),
        ("RenderSucceeded", 2),
    ]
