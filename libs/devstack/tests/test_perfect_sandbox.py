"""The vendor's sandbox behaves as the vendor's documents say."""

import io
import json
import re

import aiohttp
import pytest
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.sandbox.perfect.webhooks import signature
from closet_devstack.testing import eventually
from PIL import Image

from .customer import TRYON, World


async def test_a_tryon_gives_a_picture_of_the_persons_size_that_is_neither_input(world: World) -> None:
    data = await world.ended(await world.create())
    assert data["task_status"] == "success"
    assert data["error"] is None
    async with world.session.get(data["results"]["url"]) as response:
        picture = await response.read()
    image = Image.open(io.BytesIO(picture))
    assert image.size == (960, 1280)
    assert picture not in world.pictures.values()


async def test_the_webhook_is_thin_and_signed_over_the_raw_body(world: World) -> None:
    task_id = await world.create()
    await eventually(lambda: world.heard)
    headers, body = world.heard[0]
    document = json.loads(body)
    assert sorted(document) == ["created_at", "data"]
    assert document["data"] == {"task_id": task_id, "task_status": "success"}
    message_id, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(world.server.webhook_secret, message_id, timestamp, body)


async def test_units_are_charged_on_success_and_found_by_the_tasks_id(world: World) -> None:
    before = (await world.ask("GET", "/s2s/v1.0/client/credit"))[1]["results"][0]["amount_dec"]
    tasks = [await world.create() for _ in range(3)]
    for task_id in tasks:
        await world.ended(task_id)
    after = (await world.ask("GET", "/s2s/v1.0/client/credit"))[1]["results"][0]["amount_dec"]
    assert before - after == 6
    first = (await world.ask("GET", "/s2s/v1.0/client/credit/history?page_size=2"))[1]["result"]
    token = first["next_token"]
    second = (await world.ask("GET", f"/s2s/v1.0/client/credit/history?page_size=2&starting_token={token}"))[1][
        "result"
    ]
    assert {entry["target_id"] for entry in first["history"] + second["history"]} == set(tasks)
    assert second["next_token"] is None


async def test_what_each_feature_costs_can_be_read(world: World) -> None:
    skus = (await world.ask("GET", "/s2s/v2.0/credit/feature-cost"))[1]["result"]["skus"]
    assert {"unit": "result_image", "amount": 2}.items() <= next(
        s for s in skus if s["run_task_url"].endswith(TRYON)
    ).items()


@pytest.mark.parametrize(
    ("person", "code"),
    [
        ("blank", "error_no_face"),
        ("absent", "error_download_image"),
        ("text", "error_decode_image"),
        ("small", "error_below_min_image_size"),
    ],
)
async def test_an_engine_failure_is_a_200_and_costs_nothing(
    world: World, sandbox: Remote, person: str, code: str
) -> None:
    world.pictures["text"] = b"no picture"
    small = io.BytesIO()
    Image.effect_noise((300, 300), 90).save(small, "PNG")
    world.pictures["small"] = small.getvalue()
    data = await world.ended(await world.create(person=person))
    assert (data["task_status"], data["error"], data["results"]) == ("error", code, None)
    assert (await sandbox.stats())["unitsCharged"] == 0


async def test_any_engine_error_can_be_ordered(world: World, sandbox: Remote) -> None:
    await sandbox.fault("engine_error", code="error_pose")
    assert (await world.ended(await world.create()))["error"] == "error_pose"
    assert (await world.ended(await world.create()))["task_status"] == "success"


@pytest.mark.parametrize(
    "changes",
    [
        {"garment_category": "hat"},
        {"garment_category": None},
        {"src_file_url": None},
        {"src_file_id": "both"},
        {"ref_file_url": 7},
        {"change_shoes": "yes"},
    ],
)
async def test_wrong_parameters_are_refused_in_the_envelope(
    world: World, sandbox: Remote, changes: dict[str, object]
) -> None:
    body = {name: value for name, value in world.order(**changes).items() if value is not None}  # type: ignore[arg-type]
    status, answer = await world.ask("POST", TRYON, body)
    assert (status, answer["status"], answer["error_code"]) == (400, 400, "InvalidParameters")
    assert (await sandbox.stats())["tasksCreated"] == 0


async def test_only_the_fourth_generation_knows_outer_wear(world: World) -> None:
    assert await world.create(garment_category="outer")
    status, _ = await world.ask("POST", "/s2s/v2.0/task/cloth-v3", world.order(garment_category="outer"))
    assert status == 400


async def test_strangers_keys_are_refused(world: World, sandbox: Remote) -> None:
    status, answer = await world.ask("POST", TRYON, world.order(), key="another")
    assert (status, answer["error_code"]) == (401, "InvalidApiKey")
    await sandbox.change(inactive_keys=[world.server.api_key])
    status, answer = await world.ask("POST", TRYON, world.order())
    assert (status, answer["error_code"]) == (401, "InactiveApiKey")


async def test_a_task_is_known_only_to_its_key_under_its_path_and_for_a_while(world: World, sandbox: Remote) -> None:
    await sandbox.change(api_keys=[world.server.api_key, "other"])
    task_id = await world.create()
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", task_id)
    for path, key in [("/s2s/v2.0/task/cloth-v3", None), (TRYON, "other")]:
        answer = await world.ask("GET", f"{path}/{task_id}", key=key)
        assert answer == (400, {"status": 400, "error": "Invalid task ID"})
    await sandbox.advance(31 * 24 * 3600)
    assert (await world.ask("GET", f"{TRYON}/{task_id}"))[0] == 400


@pytest.mark.parametrize(("setting", "code"), [("coded", "InvalidTaskId"), ("not_found", None)])
async def test_unknown_tasks_may_be_answered_otherwise(
    world: World, sandbox: Remote, setting: str, code: str | None
) -> None:
    await sandbox.change(unknown_task=setting)
    status, answer = await world.ask("GET", f"{TRYON}/none")
    assert (status, answer.get("error_code")) == (400 if code else 404, code)


async def test_a_task_that_times_out_says_so_at_every_look_and_costs_nothing(world: World, sandbox: Remote) -> None:
    await sandbox.fault("task_timeout")
    task_id = await world.create()

    async def looked() -> bool:
        status, answer = await world.ask("GET", f"{TRYON}/{task_id}")
        return (status, answer.get("error_code")) == (500, "TaskTimeout")

    await eventually(looked)
    assert await looked()
    assert (await sandbox.stats())["unitsCharged"] == 0
    assert (await world.ended(await world.create()))["task_status"] == "success"


async def test_every_call_counts_and_the_one_over_the_quota_is_429_without_hints(world: World, sandbox: Remote) -> None:
    await sandbox.change(quota_calls=3)
    for _ in range(3):
        assert (await world.ask("GET", "/s2s/v1.0/client/credit"))[0] == 200
    status, answer = await world.ask("POST", TRYON, world.order())
    assert (status, answer) == (429, {"status": 429, "error": "Too many requests"})
    await sandbox.advance(300)
    assert (await world.ask("GET", "/s2s/v1.0/client/credit"))[0] == 200


async def test_an_empty_account_takes_no_orders(world: World, sandbox: Remote) -> None:
    await sandbox.set_units(1)
    status, answer = await world.ask("POST", TRYON, world.order())
    assert (status, answer["error_code"]) == (400, "CreditInsufficiency")


async def test_result_urls_expire_and_a_look_gives_a_fresh_one(world: World, sandbox: Remote) -> None:
    task_id = await world.create()
    url = (await world.ended(task_id))["results"]["url"]
    await sandbox.advance(7201)
    async with world.session.get(url) as response:
        assert response.status == 403
    async with world.session.get((await world.look(task_id))["results"]["url"]) as response:
        assert response.status == 200


async def test_a_lost_answer_leaves_a_task_behind_and_a_cut_call_does_not(world: World, sandbox: Remote) -> None:
    await sandbox.fault("cut", operation="create")
    await sandbox.fault("lost_answer", operation="create")
    for tasks in (0, 1):
        with pytest.raises(aiohttp.ClientError):
            await world.create()
        assert (await sandbox.stats())["tasksCreated"] == tasks


async def test_a_500_may_hide_a_task(world: World, sandbox: Remote) -> None:
    await sandbox.fault("refuse", operation="create", status=500, code="TaskTimeout", created=True)
    status, answer = await world.ask("POST", TRYON, world.order())
    assert (status, answer["error_code"]) == (500, "TaskTimeout")
    assert (await sandbox.stats())["tasksCreated"] == 1


async def test_webhooks_can_be_lost_doubled_and_forged(world: World, sandbox: Remote) -> None:
    await sandbox.fault("webhook_lost")
    await world.ended(await world.create())
    assert not world.heard
    await sandbox.fault("webhook_double")
    await world.create()
    await eventually(lambda: len(world.heard) == 2)
    assert world.heard[0][0]["webhook-id"] == world.heard[1][0]["webhook-id"]
    await sandbox.fault("webhook_forged")
    await world.create()
    await eventually(lambda: len(world.heard) == 3)
    headers, body = world.heard[2]
    right = signature(world.server.webhook_secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] != right


async def test_a_fixed_result_asks_for_no_inputs(world: World, sandbox: Remote) -> None:
    await sandbox.change(fixed_result=True, latency_ms=0)
    data = await world.ended(await world.create(person="absent"))
    assert data["task_status"] == "success"


async def test_results_can_carry_metadata(world: World, sandbox: Remote) -> None:
    await sandbox.change(result_metadata=True)
    data = await world.ended(await world.create())
    async with world.session.get(data["results"]["url"]) as response:
        assert Image.open(io.BytesIO(await response.read())).getexif()
