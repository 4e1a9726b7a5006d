"""Skin analysis: scores and masks, as JSON and in an archive."""

import io
import json
import zipfile
from typing import Any

import pytest
from closet_devstack.sandbox.perfect.remote import Remote

from .customer import SKIN, SKIN_V20, World

SEVEN = ["wrinkle", "pore", "texture", "acne", "oiliness", "dark_circle_v2", "skin_type"]


def analysis(world: World, *concerns: str, **changes: object) -> dict[str, object]:
    return {"src_file_url": world.at("face"), "dst_actions": list(concerns), "format": "json", **changes}


@pytest.mark.parametrize("path", [SKIN, SKIN_V20])
async def test_each_concern_has_its_scores_and_a_mask_of_the_pictures_size(world: World, path: str) -> None:
    output = (await world.made(path, analysis(world, *SEVEN)))["output"]
    assert [each["type"] for each in output] == SEVEN
    for each in output:
        assert 0 < each["raw_score"] <= 100
        assert isinstance(each["ui_score"], int)
        got = await world.get(each["mask_urls"][0])
        assert (got.content_type, got.image.format, got.image.size) == ("image/png", "PNG", (720, 960))
        assert any(got.image.histogram()[1:])


async def test_hd_concerns_may_be_told_by_region(world: World) -> None:
    output = (await world.made(SKIN, analysis(world, "hd_wrinkle", "hd_dark_circle")))["output"]
    assert {each.get("region") for each in output if each["type"] == "hd_wrinkle"} == {"whole", "forehead", "crowfeet"}
    assert all("score" in each for each in output if each.get("region") == "whole")
    assert [each.get("region") for each in output if each["type"] == "hd_dark_circle"] == [None]


async def test_the_same_face_has_the_same_scores(world: World) -> None:
    first, second = [(await world.made(SKIN, analysis(world, "acne", "pore")))["output"] for _ in range(2)]
    assert [each["raw_score"] for each in first] == [each["raw_score"] for each in second]


async def test_the_archive_names_a_mask_for_each_concern(world: World) -> None:
    got = await world.get((await world.made(SKIN, analysis(world, "acne", "pore", format="zip")))["url"])
    assert got.content_type == "application/zip"
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        info: dict[str, Any] = json.loads(archive.read("score_info.json"))
        assert set(info) == {"acne", "pore", "all", "skin_age"}
        assert {archive.read(info[each]["output_mask_name"])[:4] for each in ("acne", "pore")} == {b"\x89PNG"}
    assert set(info["acne"]) == {"raw_score", "ui_score", "output_mask_name"}
    assert info["all"]["score"] == pytest.approx((info["acne"]["raw_score"] + info["pore"]["raw_score"]) / 2, abs=0.01)
    assert isinstance(info["skin_age"], int)


async def test_up_to_four_concerns_cost_nine_and_more_cost_twelve(world: World, sandbox: Remote) -> None:
    for concerns in (SEVEN[:1], SEVEN[:4], SEVEN[:5], SEVEN):
        await world.made(SKIN, analysis(world, *concerns))
    assert [task["unitsCharged"] for task in await sandbox.tasks()] == [9, 9, 12, 12]


async def test_nobody_has_no_skin(world: World) -> None:
    task_id = await world.begin(SKIN, analysis(world, "acne", src_file_url=world.at("blank")))
    assert (await world.ended(task_id, SKIN))["error"] == "error_no_face"


async def test_a_fixed_result_is_analysed_without_asking_for_the_face(world: World, sandbox: Remote) -> None:
    await sandbox.change(fixed_result=True)
    output = (await world.made(SKIN, analysis(world, "acne", src_file_url=world.at("absent"))))["output"]
    assert (await world.get(output[0]["mask_urls"][0])).image.size == (384, 512)
