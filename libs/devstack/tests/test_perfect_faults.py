"""What goes wrong with calls and tasks, as it was ordered."""

import time

import aiohttp
import pytest
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.testing import eventually

from .customer import CREDIT, MODEL, SKIN, TEXT, TRYON, World


async def test_an_answer_may_say_that_it_is_html(world: World, sandbox: Remote) -> None:
    await sandbox.fault("wrong_type", operation="create")
    got = await world.call("POST", TRYON, world.order())
    assert (got.status, got.content_type) == (200, "text/html")
    assert got.json["data"]["task_id"]


async def test_a_page_of_html_may_stand_in_front_of_the_vendor(world: World, sandbox: Remote) -> None:
    await sandbox.fault("html_error", status=502)
    got = await world.call("POST", TRYON, world.order())
    assert (got.status, got.content_type) == (502, "text/html")
    assert b"<h1>502 Bad Gateway</h1>" in got.body
    assert (await sandbox.stats())["tasksCreated"] == 0


async def test_a_page_of_html_may_hide_a_task(world: World, sandbox: Remote) -> None:
    await sandbox.fault("html_error", created=True)
    assert (await world.call("POST", TRYON, world.order())).status == 500
    assert (await sandbox.stats())["tasksCreated"] == 1


async def test_a_body_may_trickle(world: World, sandbox: Remote) -> None:
    await sandbox.fault("slow_body", operation="credit", ms=400)
    began = time.monotonic()
    assert (await world.call("GET", CREDIT)).json["status"] == 200
    assert time.monotonic() - began > 0.35


async def test_a_task_may_succeed_and_have_made_nothing(world: World, sandbox: Remote) -> None:
    await sandbox.fault("no_results")
    data = await world.ended(await world.create())
    assert (data["task_status"], data["results"]) == ("success", {})
    assert (await sandbox.stats())["unitsCharged"] == 2


async def test_a_task_may_make_something_else(world: World, sandbox: Remote) -> None:
    await sandbox.fault("other_kind", count=2)
    archive = (await world.made(TRYON, world.order()))["url"]
    assert (await world.get(archive)).body[:2] == b"PK"
    body = {"src_file_url": world.at("face"), "dst_actions": ["acne"], "format": "json"}
    instead = (await world.made(SKIN, body))["url"]
    assert (await world.get(instead)).image.format == "JPEG"


async def test_a_task_may_never_end(world: World, sandbox: Remote) -> None:
    await sandbox.fault("stuck")
    stuck = await world.create()
    other = await world.create()
    await world.ended(other)
    await sandbox.advance(3600)
    assert (await world.look(stuck))["task_status"] == "running"


async def test_a_task_may_take_longer(world: World, sandbox: Remote) -> None:
    await sandbox.fault("slow_task", ms=3_600_000)
    slow, other = await world.create(), await world.create()
    await world.ended(other)
    assert (await world.look(slow))["task_status"] == "running"
    await sandbox.advance(3600)
    assert (await world.ended(slow))["task_status"] == "success"


async def test_a_header_steers_one_task_alone(world: World) -> None:
    text = {"model": MODEL, "prompt": "a fox"}
    task_id = await world.begin(TEXT, text, X_Sandbox_Fault="engine_error;code=error_nsfw_content_detected")
    assert (await world.ended(task_id, TEXT))["error"] == "error_nsfw_content_detected"
    assert (await world.ended(await world.begin(TEXT, text), TEXT))["task_status"] == "success"


async def test_a_header_steers_one_call_alone(world: World, sandbox: Remote) -> None:
    got = await world.call("GET", CREDIT, X_Sandbox_Fault="refuse;status=503;code=TaskTimeout")
    assert (got.status, got.json["error_code"]) == (503, "TaskTimeout")
    with pytest.raises(aiohttp.ClientError):
        await world.call("POST", TRYON, world.order(), X_Sandbox_Fault="lost_answer")
    assert (await sandbox.stats())["tasksCreated"] == 1
    assert (await world.call("GET", CREDIT)).status == 200


async def test_a_header_may_name_several_faults_and_their_counts(world: World) -> None:
    url = (await world.made(TRYON, world.order(), X_Sandbox_Fault="slow_answer;ms=1, result_gone;count=2"))["url"]
    assert [(await world.get(url)).status for _ in range(3)] == [404, 404, 200]


@pytest.mark.parametrize("header", ["tea", "refuse;status=200", "refuse;colour=red", "refuse;status"])
async def test_a_header_that_means_nothing_is_refused(world: World, header: str) -> None:
    got = await world.call("GET", CREDIT, X_Sandbox_Fault=header)
    assert (got.status, got.json["error_code"]) == (400, "BadRequest")


async def test_a_probable_fault_spares_some_and_the_same_ones_for_the_same_seed(world: World, sandbox: Remote) -> None:
    patterns = []
    for seed in (1, 1, 2):
        await sandbox.reset()
        await sandbox.change(seed=seed, quota_calls=0)
        await sandbox.fault("refuse", count=-1, probability=0.5, operation="credit")
        patterns.append([(await world.call("GET", CREDIT)).status for _ in range(24)])
    assert set(patterns[0]) == {200, 500}
    assert patterns[0] == patterns[1] != patterns[2]


async def test_faults_can_be_for_a_feature_or_a_key(world: World, sandbox: Remote) -> None:
    await sandbox.change(api_keys=[world.server.api_key, "other"])
    await sandbox.fault("engine_error", count=-1, feature="text-to-image", code="error_inference")
    await sandbox.fault("refuse", count=-1, key="other", status=500)
    text = await world.begin(TEXT, {"model": MODEL, "prompt": "a fox"})
    assert (await world.ended(text, TEXT))["error"] == "error_inference"
    assert (await world.ended(await world.create()))["task_status"] == "success"
    assert (await world.call("GET", CREDIT, key="other")).status == 500


async def test_numeric_ids_are_json_numbers_that_no_double_holds(world: World, sandbox: Remote) -> None:
    await sandbox.change(numeric_ids=True)
    got = await world.call("POST", TRYON, world.order())
    task_id = got.json["data"]["task_id"]
    assert isinstance(task_id, int)
    assert task_id > 2**53
    assert (await world.ended(str(task_id)))["task_status"] == "success"
    [entry] = (await world.ask("GET", f"{CREDIT}/history"))[1]["result"]["history"]
    assert entry["target_id"] == task_id
    await eventually(lambda: world.heard)
    assert f'"task_id":{task_id}'.encode() in world.heard[0][1]
    assert (await world.call("POST", "/s2s/v2.0/task/delete", {"task_id": task_id})).status == 200


async def test_orders_that_mean_nothing_are_not_taken(sandbox: Remote) -> None:
    for kind, details in [("tea", {}), ("refuse", {"probability": 2}), ("refuse", {"wait": 1})]:
        with pytest.raises(ValueError, match="422"):
            await sandbox.fault(kind, **details)  # type: ignore[arg-type]
