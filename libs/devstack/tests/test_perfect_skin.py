"""Skin analysis: scores and masks, as JSON and in an archive."""

import io
import json
import zipfile
from typing import Any

import pytest
from closet_devstack.sandbox.perfect.features.concerns import HD, SD
from closet_devstack.sandbox.perfect.remote import Remote

from .customer import SKIN, SKIN_V20, World, picture

FOLDER = "skinanalysisResult"
SEVEN = ["wrinkle", "pore", "texture", "acne", "oiliness", "dark_circle_v2", "skin_type"]


def analysis(world: World, *concerns: str, **changes: object) -> dict[str, object]:
    return {"src_file_url": world.at("face"), "dst_actions": list(concerns), "format": "json", **changes}


@pytest.mark.parametrize("path", [SKIN, SKIN_V20])
async def test_each_concern_has_its_scores_and_a_mask_of_the_pictures_size(world: World, path: str) -> None:
    output = (await world.made(path, analysis(world, *SEVEN)))["output"]
    *_, whole, age, copy = output
    assert [each["type"] for each in (whole, age, copy)] == ["all", "skin_age", "resize_image"]
    assert list(dict.fromkeys(each["type"] for each in output[:-3])) == SEVEN
    for each in output[:-3]:
        if each["type"] == "skin_type":
            assert "raw_score" not in each
            assert each["region"] in {"whole", "t_zone", "u_zone"}
            assert each["skin_type"]
            continue
        assert 0 < each["raw_score"] <= 100
        assert isinstance(each["ui_score"], int)
        got = await world.get(each["mask_urls"][0])
        assert (got.content_type, got.image.format, got.image.size) == ("image/png", "PNG", (720, 960))
        assert any(got.image.histogram()[1:])


async def test_hd_concerns_may_be_told_by_region(world: World) -> None:
    world.pictures["face"] = picture(1200, 1600)
    output = (await world.made(SKIN, analysis(world, "hd_wrinkle", "hd_dark_circle")))["output"]
    assert {each.get("region") for each in output if each["type"] == "hd_wrinkle"} == {"whole", "forehead", "crowfeet"}
    assert all("score" in each for each in output if each.get("region") == "whole")
    assert [each.get("region") for each in output if each["type"] == "hd_dark_circle"] == [None]


async def test_the_same_face_has_the_same_scores(world: World) -> None:
    first, second = [(await world.made(SKIN, analysis(world, "acne", "pore")))["output"] for _ in range(2)]
    scores = [[each.get("raw_score") for each in output] for output in (first, second)]
    assert scores[0] == scores[1]
    assert all(scores[0][:2])


async def test_the_archive_names_a_mask_for_each_concern(world: World) -> None:
    got = await world.get((await world.made(SKIN, analysis(world, "acne", "pore", format="zip")))["url"])
    assert got.content_type == "application/zip"
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        info: dict[str, Any] = json.loads(archive.read(f"{FOLDER}/score_info.json"))
        assert set(info) == {"acne", "pore", "all", "skin_age"}
        assert {archive.read(f"{FOLDER}/{info[each]['output_mask_name']}")[:4] for each in ("acne", "pore")} == {
            b"\x89PNG"
        }
    assert set(info["acne"]) == {"raw_score", "ui_score", "output_mask_name"}
    assert info["all"]["score"] == pytest.approx((info["acne"]["raw_score"] + info["pore"]["raw_score"]) / 2, abs=0.01)
    assert isinstance(info["skin_age"], int)


async def test_an_archive_of_hd_concerns_tells_regions_and_a_type_in_words(world: World) -> None:
    world.pictures["face"] = picture(1200, 1600)
    body = analysis(world, "hd_pore", "hd_redness", "hd_skin_type", format="zip")
    got = await world.get((await world.made(SKIN, body))["url"])
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        info: dict[str, Any] = json.loads(archive.read(f"{FOLDER}/score_info.json"))
    assert set(info["hd_pore"]) == {"whole", "nose", "cheek"}
    assert info["hd_pore"]["nose"]["output_mask_name"] == "hd_pore_output_nose.png"
    assert "ui_score" in info["hd_redness"]
    assert all(set(each) == {"skin_type"} for each in info["hd_skin_type"].values())


@pytest.mark.parametrize(("kind", "units"), [("sd", [9, 9, 12, 14, 16, 16]), ("hd", [12, 12, 16, 20, 22, 22])])
async def test_units_go_by_the_number_of_concerns(world: World, sandbox: Remote, kind: str, units: list[int]) -> None:
    world.pictures["face"] = picture(1100, 1400)
    every = sorted(SD if kind == "sd" else HD)
    for count in (1, 4, 5, 9, 13, 16):
        await world.made(SKIN, analysis(world, *every[:count]))
    assert [task["unitsCharged"] for task in await sandbox.tasks()] == units


@pytest.mark.parametrize(
    ("size", "concern", "code"),
    [
        ((479, 900), "acne", "error_below_min_image_size"),
        ((1079, 1600), "hd_acne", "error_below_min_image_size"),
        ((1080, 5000), "hd_acne", None),
    ],
)
async def test_faces_have_a_least_size_and_no_greatest(
    world: World, size: tuple[int, int], concern: str, code: str | None
) -> None:
    world.pictures["face"] = picture(*size)
    assert (await world.ended(await world.begin(SKIN, analysis(world, concern)), SKIN))["error"] == code


async def test_nobody_has_no_skin(world: World) -> None:
    task_id = await world.begin(SKIN, analysis(world, "acne", src_file_url=world.at("blank")))
    assert (await world.ended(task_id, SKIN))["error"] == "error_no_face"


async def test_a_fixed_result_is_analysed_without_asking_for_the_face(world: World, sandbox: Remote) -> None:
    await sandbox.change(fixed_result=True)
    output = (await world.made(SKIN, analysis(world, "acne", src_file_url=world.at("absent"))))["output"]
    assert (await world.get(output[0]["mask_urls"][0])).image.size == (1080, 1440)
