"""Files brought to the vendor, tasks deleted, templates listed."""

from typing import Any

import pytest
from closet_devstack.sandbox.perfect.remote import Remote

from .customer import EDIT, HAIR, MODEL, REPLACE, SKIN, TRYON, World, mask

FILES = "/s2s/v2.0/file"
DELETE = "/s2s/v2.0/task/delete"
TEMPLATES = "/s2s/v2.1/task/template/hair-transfer"


async def announce(world: World, *files: bytes, content_type: str = "image/jpeg") -> list[dict[str, Any]]:
    asked = [
        {"content_type": content_type, "file_name": f"{index}.jpg", "file_size": len(data)}
        for index, data in enumerate(files)
    ]
    status, answer = await world.ask("POST", FILES, {"files": asked})
    assert status == 200
    announced: list[dict[str, Any]] = answer["data"]["files"]
    return announced


async def put(world: World, announced: dict[str, Any], data: bytes, **changes: str) -> int:
    [place] = announced["requests"]
    headers = {**place["headers"], **{name.replace("_", "-"): value for name, value in changes.items()}}
    async with world.session.request(place["method"], place["url"], data=data, headers=headers) as response:
        return response.status


async def upload(world: World, *names: str) -> list[str]:
    """The ids of files that were brought."""
    files = [world.pictures[name] for name in names]
    announced = await announce(world, *files)
    assert [await put(world, *each) for each in zip(announced, files, strict=True)] == [200] * len(files)
    return [each["file_id"] for each in announced]


async def test_every_feature_takes_uploaded_files(world: World) -> None:
    world.pictures["mask"] = mask(960, 1280)
    person, garment, face, white = await upload(world, "person", "garment", "face", "mask")
    await world.made(TRYON, {"src_file_id": person, "ref_file_id": garment, "garment_category": "auto"})
    await world.made(EDIT, {"model": MODEL, "prompt": "a fox", "src_file_ids": [person, garment]})
    await world.made(REPLACE, {"src_file_id": person, "msk_file_id": white, "prompt": "a fox"})
    await world.made(HAIR, {"src_file_id": face, "ref_file_id": face})
    await world.made(SKIN, {"src_file_id": face, "dst_actions": ["acne"], "format": "json"})


async def test_a_files_id_must_be_encoded_and_its_place_is_no_secret_of_the_api(world: World) -> None:
    [one] = await announce(world, b"four")
    assert set("/+") < set(one["file_id"])
    assert one["file_id"] not in one["requests"][0]["url"]
    assert one["requests"][0]["headers"] == {"Content-Type": "image/jpeg", "Content-Length": "4"}
    assert (one["content_type"], one["file_name"]) == ("image/jpeg", "0.jpg")


async def test_the_bytes_must_come_with_the_headers_that_were_named(world: World) -> None:
    [one] = await announce(world, b"four")
    assert await put(world, one, b"four", Content_Type="image/png") == 403
    assert await put(world, one, b"seven", Content_Length="5") == 403
    assert await put(world, one, b"four") == 200


async def test_a_place_is_kept_for_an_hour(world: World, sandbox: Remote) -> None:
    [one] = await announce(world, b"four")
    await sandbox.advance(3601)
    assert await put(world, one, b"four") == 403


async def test_a_task_that_comes_before_its_bytes_fails_and_costs_nothing(world: World, sandbox: Remote) -> None:
    [one] = await announce(world, world.pictures["face"])
    task_id = await world.begin(HAIR, {"src_file_id": one["file_id"], "template_id": "bob_blond"})
    assert (await world.ended(task_id, HAIR))["error"] == "unknown_internal_error"
    assert (await sandbox.stats())["unitsCharged"] == 0


async def test_a_file_that_was_never_announced_or_is_anothers_is_not_found(world: World, sandbox: Remote) -> None:
    await sandbox.change(api_keys=[world.server.api_key, "other"])
    [face] = await upload(world, "face")
    for file_id, key in [("bm9uZQ==", None), (face, "other")]:
        body = {"src_file_id": file_id, "template_id": "bob_blond"}
        assert (await world.call("POST", HAIR, body, key)).status == 404


@pytest.mark.parametrize(
    "path",
    [
        *(f"/s2s/v2.0/file/{feature}" for feature in ("cloth", "cloth-v3", "cloth-v4", "skin-analysis")),
        *(f"/s2s/v2.0/file/{feature}" for feature in ("image-to-image/youcam", "obj-replace")),
        *(f"/s2s/v2.1/file/{feature}" for feature in ("hair-transfer", "skin-analysis")),
    ],
)
async def test_the_older_path_of_each_feature_announces_files_too(world: World, path: str) -> None:
    file = {"content_type": "image/jpg", "file_name": "me.jpg", "file_size": len(world.pictures["face"])}
    status, answer = await world.ask("POST", path, {"files": [file]})
    [one] = answer["data"]["files"]
    assert (status, await put(world, one, world.pictures["face"])) == (200, 200)
    await world.made(HAIR, {"src_file_id": one["file_id"], "template_id": "bob_blond"})


async def test_behind_a_proxy_that_ends_tls_urls_are_https(world: World) -> None:
    file = {"content_type": "image/jpg", "file_name": "me.jpg", "file_size": 4}
    [one] = (await world.call("POST", FILES, {"files": [file]}, X_Forwarded_Proto="https")).json["data"]["files"]
    assert one["requests"][0]["url"].startswith("https://")


@pytest.mark.parametrize(
    "changes",
    [
        {"file_size": 10 * 1024 * 1024 + 1},
        {"file_size": 0},
        {"file_size": "4"},
        {"content_type": "image/webp"},
        {"content_type": "video/mp4", "file_size": 100 * 1024 * 1024 + 1},
        {"file_name": None},
    ],
)
async def test_files_of_the_wrong_kind_or_size_are_refused(world: World, changes: dict[str, object]) -> None:
    file = {"content_type": "image/jpeg", "file_name": "a.jpg", "file_size": 4, **changes}
    status, answer = await world.ask("POST", FILES, {"files": [file]})
    assert (status, answer["error_code"]) == (400, "InvalidParameters")


async def test_a_deleted_task_is_gone_with_its_results_and_its_files(world: World) -> None:
    [face] = await upload(world, "face")
    task_id = await world.begin(HAIR, {"src_file_id": face, "template_id": "bob_blond"})
    url = (await world.ended(task_id, HAIR))["results"]["url"]
    status, _ = await world.ask("POST", DELETE, {"task_id": task_id})
    assert status == 200
    assert (await world.ask("GET", f"{HAIR}/{task_id}"))[0] == 400
    assert (await world.get(url)).status == 404
    assert (await world.call("POST", HAIR, {"src_file_id": face, "template_id": "bob_blond"})).status == 404


async def test_only_a_finished_task_of_ones_own_can_be_deleted(world: World, sandbox: Remote) -> None:
    await sandbox.change(latency_ms=60_000, api_keys=[world.server.api_key, "other"])
    task_id = await world.create()
    wrong: list[tuple[dict[str, str], str | None, str]] = [
        ({"task_id": task_id}, None, "OperationInvalid"),
        ({"task_id": task_id}, "other", "InvalidTaskId"),
        ({"task_id": "none"}, None, "InvalidTaskId"),
        ({}, None, "InvalidParameters"),
    ]
    for body, key, code in wrong:
        status, answer = await world.ask("POST", DELETE, body, key)
        assert (status, answer["error_code"]) == (400, code)


async def test_templates_come_in_pages_and_each_has_a_picture(world: World) -> None:
    found: list[dict[str, str]] = []
    token: str | None = ""
    while token is not None:
        _, answer = await world.ask("GET", f"{TEMPLATES}?page_size=20&starting_token={token}")
        found += answer["data"]["templates"]
        token = answer["data"]["next_token"]
    assert len(found) == len({each["id"] for each in found}) >= 45
    assert all(each["title"] and each["category_name"] for each in found)
    for each in (found[0], found[-1]):
        assert (await world.get(each["thumb"])).image.size == (256, 256)


async def test_templates_of_what_has_none(world: World) -> None:
    status, answer = await world.ask("GET", "/s2s/v2.0/task/template/cloth-v4")
    assert (status, answer["error_code"]) == (400, "OperationNotSupport")


@pytest.mark.parametrize("query", ["page_size=0", "page_size=21", "page_size=many", "starting_token=x"])
async def test_pages_have_bounds(world: World, query: str) -> None:
    status, answer = await world.ask("GET", f"{TEMPLATES}?{query}")
    assert (status, answer["error_code"]) == (400, "InvalidParameters")


async def test_all_of_these_count_in_the_quota(world: World, sandbox: Remote) -> None:
    await sandbox.change(quota_calls=5)
    for path in (FILES, DELETE):
        assert (await world.call("POST", path, {})).status == 400
    for path in (TEMPLATES, "/s2s/v1.0/client/credit/history", "/s2s/v2.0/credit/feature-cost"):
        assert (await world.call("GET", path)).status == 200
    assert (await world.call("GET", "/s2s/v1.0/client/credit")).status == 429
    operations = {"file": 1, "delete": 1, "templates": 1, "history": 1, "feature-cost": 1, "credit": 1}
    assert (await sandbox.stats())["callsByOperation"] == operations
