"""Text that somebody down the way cannot store is refused at the door, wherever it comes in."""

import json
from typing import Any

import pytest

NUL, ESCAPE, NEXT_LINE, SURROGATE = "a\0b", "a\x1bb", "a\x85b", "a\ud800b"
BAD = [NUL, ESCAPE, NEXT_LINE, SURROGATE]
IMAGE = "tenant/acme/uploads/upl_" + "0" * 32


def bodies(text: str) -> dict[str, dict[str, Any]]:
    """Where a client may write text of its own: the path, and the bodies by what is wrong in them."""
    words = {"prompt": "a dress"}
    return {
        "/gen/text2img": {
            "prompt": {"prompt": text},
            "negativePrompt": {**words, "negativePrompt": text},
            "quoteId": {**words, "quoteId": text},
        },
        "/gen/edit": {
            "imageKey": {**words, "imageKey": text},
            "maskKey": {**words, "imageKey": IMAGE, "maskKey": text},
        },
        "/gen/tryon": {"personKey": {"personKey": text, "itemKey": IMAGE}},
        "/gen/hairstyle": {"templateId": {"imageKey": IMAGE, "templateId": text}},
        "/gen/skin-analysis": {"actions.0": {"imageKey": IMAGE, "actions": [text]}},
        "/gen/batch": {"items.0.text2img.prompt": {"items": [{"type": "text2img", "prompt": text}]}},
        "/gen/upload-url": {"filename": {"filename": text, "contentType": "image/png", "size": 7}},
        "/consent": {"version": {"given": True, "version": text}},
        "/auth/refresh": {"refreshToken": {"refreshToken": text}},
    }


@pytest.mark.parametrize("text", BAD, ids=ascii)
async def test_no_body_holds_text_that_cannot_be_stored(replica: Any, text: str, pool: Any) -> None:
    api = await (await replica()).user()
    for path, cases in bodies(text).items():
        for place, body in cases.items():
            raw = json.dumps(body).encode()
            refused = await api.call("POST", f"/api{path}", raw=raw, Content_Type="application/json")
            assert (refused.status, refused.code) == (422, "invalid_request"), (path, place)
            if text != SURROGATE:
                assert refused.body["errors"][0]["path"] == place
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize("text", ["%00", "%1b", "%C2%85", "%ED%A0%80"])
async def test_no_address_holds_it_either(replica: Any, text: str) -> None:
    api = await (await replica()).user(scopes=["generate", "jobs:read", "consent", "statement:read"])
    for path, statuses in {
        f"/gen/job/job_{text}": {404},
        f"/gen/job/job_{text}/events": {404},
        f"/gen/download/{text}.0": {404},
        f"/gen/jobs?cursor={text}": {400, 422},
        f"/gen/jobs?status={text}": {422},
        f"/gen/templates?type=hairstyle&cursor={text}": {400, 422},
        f"/billing/statement?since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z&cursor={text}": {200, 400, 422},
    }.items():
        refused = await api.get(path)
        assert refused.status in statuses, (path, refused)
    assert (await api.post(f"/gen/job/job_{text}/cancel")).status == 404


async def test_a_person_writes_several_lines_in_any_language(replica: Any) -> None:
    api = await (await replica()).user()
    created = await api.post("/gen/text2img", {"prompt": "ein rotes Kleid\n\tمن الحرير 👗", "negativePrompt": "x\r\ny"})
    assert created.status == 202


async def test_what_is_no_json_is_still_malformed(replica: Any) -> None:
    api = await (await replica()).user()
    for raw in (b'{"prompt": "\\ud80', b'{"prompt": "\xed\xa0\x80"}', b"\xff", b"[" * 100_000):
        refused = await api.call("POST", "/api/gen/text2img", raw=raw, Content_Type="application/json")
        assert (refused.status, refused.code) == (400, "malformed_json")
