"""The classic profile: one call, one picture."""

import base64
import io
import json
from typing import Any

import pytest
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.testing import eventually
from PIL import Image

from .customer import CREDIT, Got, World, mask

TEXT2IMG = "/ai-api/v1/text2img"


def bodies(world: World) -> dict[str, dict[str, object]]:
    face, person, garment = world.at("face"), world.at("person"), world.at("garment")
    return {
        "text2img": {"prompt": "a fox", "negative_prompt": "snow", "style": "studio", "width": 700, "height": 500},
        "image-edit": {"image_url": person, "prompt": "make it winter"},
        "fashion/tryon": {"person_image_url": person, "item_image_url": garment, "category": "dress"},
        "hairstyle/tryon": {"image_url": face, "template_id": "bob_blond"},
        "skin-analysis": {"image_url": face, "actions": ["acne", "pore"]},
    }


async def picture(world: World, answer: dict[str, Any]) -> Image.Image:
    """The first one, in whichever way it was given."""
    first = (answer.get("images") or [{}])[0]
    encoded, url = answer.get("image_base64") or first.get("base64"), answer.get("image_url") or first.get("url")
    data = base64.b64decode(encoded) if encoded else (await world.get(url)).body
    return Image.open(io.BytesIO(data))


async def test_each_call_gives_a_picture_in_one_of_three_ways_in_turn(world: World) -> None:
    ways, sizes = [], {}
    for name, body in bodies(world).items():
        got = await world.call("POST", f"/ai-api/v1/{name}", body)
        assert got.status == 200, got.body
        ways.append(next(key for key in ("image_base64", "image_url", "images") if key in got.json))
        sizes[name] = (await picture(world, got.json)).size
    turns = ["image_base64", "image_url", "images"] * 3
    assert ways in [turns[start : start + 5] for start in range(3)]
    assert sizes == {
        "text2img": (700, 500),
        "image-edit": (960, 1280),
        "fashion/tryon": (960, 1280),
        "hairstyle/tryon": (720, 960),
        "skin-analysis": (720, 960),
    }


@pytest.mark.parametrize("way", ["image_base64", "image_url", "images"])
async def test_the_way_can_be_set(world: World, sandbox: Remote, way: str) -> None:
    await sandbox.change(classic_answer=way)
    answer = (await world.call("POST", TEXT2IMG, {"prompt": "a fox"})).json
    assert set(answer) == {way}
    assert (await picture(world, answer)).size == (1024, 1024)


async def test_units_are_told_in_headers(world: World, sandbox: Remote) -> None:
    await sandbox.set_units(10)
    used, left = [], []
    for name, body in bodies(world).items():
        if name != "skin-analysis":
            got = await world.call("POST", f"/ai-api/v1/{name}", body)
            used.append(int(got.headers["x-credits-used"]))
            left.append(int(got.headers["x-credit-remaining"]))
    assert (used, left) == ([1, 1, 2, 2], [9, 8, 6, 4])


async def test_a_skin_analysis_tells_its_scores_too(world: World) -> None:
    got = await world.call("POST", "/ai-api/v1/skin-analysis", bodies(world)["skin-analysis"])
    assert [each["type"] for each in got.json["output"]][:2] == ["acne", "pore"]


async def test_an_edit_takes_a_mask_by_url_or_in_the_call(world: World, sandbox: Remote) -> None:
    await sandbox.change(classic_answer="image_base64")
    world.pictures["mask"] = mask(960, 1280)
    inline = base64.b64encode(world.pictures["mask"]).decode()
    found = {
        (await world.call("POST", "/ai-api/v1/image-edit", {**bodies(world)["image-edit"], "mask": given})).body
        for given in (world.at("mask"), inline, f"data:image/png;base64,{inline}")
    }
    assert len(found) == 1
    assert (await sandbox.stats())["tasksByFeature"] == {"obj-replace": 3}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("text2img", {"prompt": ""}),
        ("text2img", {"width": 63}),
        ("text2img", {"height": "1024"}),
        ("image-edit", {"image_url": 7}),
        ("image-edit", {"mask": "not base64"}),
        ("fashion/tryon", {"category": "hat"}),
        ("fashion/tryon", {"item_image_url": None}),
        ("hairstyle/tryon", {"template_id": "none"}),
        ("skin-analysis", {"actions": []}),
    ],
)
async def test_what_it_does_not_take(world: World, name: str, changes: dict[str, object]) -> None:
    status, answer = await world.ask("POST", f"/ai-api/v1/{name}", {**bodies(world)[name], **changes})
    assert (status, answer["error_code"]) == (400, "InvalidParameters")


async def test_keys_quota_and_balance_are_those_of_the_other_profile(world: World, sandbox: Remote) -> None:
    assert (await world.call("POST", TEXT2IMG, {"prompt": "a fox"}, key="another")).status == 401
    await sandbox.change(quota_calls=1, quota_address_calls=0)
    assert (await world.call("GET", CREDIT)).status == 200
    assert (await world.call("POST", TEXT2IMG, {"prompt": "a fox"})).status == 429
    await sandbox.change(quota_calls=0)
    await sandbox.set_units(0)
    status, answer = await world.ask("POST", TEXT2IMG, {"prompt": "a fox"})
    assert (status, answer["error_code"]) == (400, "CreditInsufficiency")


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("engine_error;code=error_no_face", 400, "error_no_face"),
        ("engine_error;code=error_inference", 500, "error_inference"),
        ("refuse;status=503", 503, None),
    ],
)
async def test_failures_come_in_the_answer(
    world: World, sandbox: Remote, header: str, status: int, code: str | None
) -> None:
    got: Got = await world.call("POST", TEXT2IMG, {"prompt": "a fox"}, X_Sandbox_Fault=header)
    assert (got.status, got.json.get("error_code")) == (status, code)
    assert (await sandbox.stats())["unitsCharged"] == 0


async def test_nothing_may_be_in_it(world: World) -> None:
    got = await world.call("POST", TEXT2IMG, {"prompt": "a fox"}, X_Sandbox_Fault="no_results")
    assert (got.status, got.json) == (200, {"images": []})


async def test_no_webhook_tells_of_what_was_answered(world: World) -> None:
    await world.call("POST", TEXT2IMG, {"prompt": "a fox"})
    task_id = await world.create()
    await eventually(lambda: world.heard)
    assert [json.loads(body)["data"]["task_id"] for _, body in world.heard] == [task_id]
