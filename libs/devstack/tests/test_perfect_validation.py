"""What the vendor does not take is refused, in its envelope, and makes no task."""

import pytest
from closet_devstack.sandbox.perfect.features.concerns import SD
from closet_devstack.sandbox.perfect.remote import Remote

from .customer import EDIT, HAIR, MODEL, REPLACE, SKIN, SKIN_V20, TEXT, World

URL = "https://pictures.example/me.jpg"
TEXTS: dict[str, object] = {"model": MODEL, "prompt": "a fox"}
EDITS: dict[str, object] = {**TEXTS, "src_file_urls": [URL]}
REPLACES: dict[str, object] = {"src_file_url": URL, "msk_file_url": URL, "prompt": "a fox"}
HAIRS: dict[str, object] = {"src_file_url": URL, "template_id": "bob_blond"}
SKINS: dict[str, object] = {"src_file_url": URL, "dst_actions": ["pore"], "format": "json"}
TOO_MANY = [*sorted(SD), "wrinkle"]

WRONG: list[tuple[str, dict[str, object], dict[str, object]]] = [
    (TEXT, TEXTS, {"model": "youcam-image-v1"}),
    (TEXT, TEXTS, {"model": None}),
    (TEXT, TEXTS, {"prompt": ""}),
    (TEXT, TEXTS, {"prompt": "a" * 801}),
    (TEXT, TEXTS, {"prompt": ["fox"]}),
    (TEXT, TEXTS, {"negative_prompt": ""}),
    (TEXT, TEXTS, {"negative_prompt": "a" * 501}),
    (TEXT, TEXTS, {"size": "1024*1024"}),
    (TEXT, TEXTS, {"size": 1328}),
    (TEXT, TEXTS, {"prompt_extend": "yes"}),
    (EDIT, EDITS, {"src_file_urls": []}),
    (EDIT, EDITS, {"src_file_urls": [URL] * 4}),
    (EDIT, EDITS, {"src_file_urls": URL}),
    (EDIT, EDITS, {"src_file_urls": None}),
    (EDIT, EDITS, {"src_file_ids": ["both"]}),
    (EDIT, EDITS, {"size": "511*1024"}),
    (EDIT, EDITS, {"size": "1024*2064"}),
    (EDIT, EDITS, {"size": "1024x1024"}),
    (EDIT, EDITS, {"prompt": "a" * 801}),
    (EDIT, EDITS, {"model": "another"}),
    (REPLACE, REPLACES, {"msk_file_url": None}),
    (REPLACE, REPLACES, {"msk_file_id": "both"}),
    (REPLACE, REPLACES, {"prompt": None}),
    (REPLACE, REPLACES, {"src_file_url": "ftp://pictures.example/me.jpg"}),
    (HAIR, HAIRS, {"template_id": None}),
    (HAIR, HAIRS, {"template_id": "no_such_cut"}),
    (HAIR, HAIRS, {"ref_file_url": URL}),
    (HAIR, HAIRS, {"template_id": None, "ref_file_url": URL, "hair_color": "ref"}),
    (HAIR, HAIRS, {"hair_color": "blue"}),
    (SKIN, SKINS, {"dst_actions": []}),
    (SKIN, SKINS, {"dst_actions": TOO_MANY}),
    (SKIN, SKINS, {"dst_actions": ["pore", "pore"]}),
    (SKIN, SKINS, {"dst_actions": ["pore", "hd_acne"]}),
    (SKIN, SKINS, {"dst_actions": ["hd_dark_circle_v2"]}),
    (SKIN, SKINS, {"dst_actions": ["dark_circle"]}),
    (SKIN, SKINS, {"dst_actions": "pore"}),
    (SKIN, SKINS, {"format": "xml"}),
    (SKIN_V20, SKINS, {"src_file_url": None}),
]


@pytest.mark.parametrize(("path", "right", "changes"), WRONG, ids=lambda value: str(value)[-60:])
async def test_wrong_parameters_are_refused(
    world: World, sandbox: Remote, path: str, right: dict[str, object], changes: dict[str, object]
) -> None:
    body = {name: value for name, value in {**right, **changes}.items() if value is not None}
    status, answer = await world.ask("POST", path, body)
    assert (status, answer["status"], answer["error_code"]) == (400, 400, "InvalidParameters")
    assert (await sandbox.stats())["tasksCreated"] == 0


@pytest.mark.parametrize(
    ("path", "right"), [(TEXT, TEXTS), (EDIT, EDITS), (REPLACE, REPLACES), (HAIR, HAIRS), (SKIN, SKINS)]
)
async def test_a_parameter_that_nobody_published_is_a_bad_request(
    world: World, path: str, right: dict[str, object]
) -> None:
    status, answer = await world.ask("POST", path, {**right, "idempotency_key": "1"})
    assert (status, answer["error_code"]) == (400, "BadRequest")
    assert "idempotency_key" in answer["error"]


@pytest.mark.parametrize(
    ("path", "right"), [(TEXT, TEXTS), (EDIT, EDITS), (REPLACE, REPLACES), (HAIR, HAIRS), (SKIN, SKINS)]
)
async def test_what_the_wrong_ones_were_made_from_is_right(
    world: World, sandbox: Remote, path: str, right: dict[str, object]
) -> None:
    await sandbox.change(fixed_result=True)
    assert await world.begin(path, right)


async def test_the_first_apis_number_of_a_call_is_taken_as_public_clients_send_it(
    world: World, sandbox: Remote
) -> None:
    await sandbox.change(fixed_result=True)
    assert await world.begin(HAIR, {**HAIRS, "request_id": 1001})


@pytest.mark.parametrize("body", [b"{", b"[]", b"null"])
async def test_what_is_no_object_is_a_bad_request(world: World, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {world.server.api_key}"}
    async with world.session.post(world.server.url + TEXT, data=body, headers=headers) as response:
        assert (response.status, (await response.json())["error_code"]) == (400, "BadRequest")


async def test_unknown_paths_answer_in_the_envelope(world: World) -> None:
    status, answer = await world.ask("GET", "/s2s/v9.9/task")
    assert (status, answer) == (404, {"status": 404, "error": "Not Found"})
