"""Quotes, uploads, bad requests, and the description of it all."""

import re
from io import BytesIO
from typing import Any

import pytest
from closet_chassis.metrics import exposition
from closet_messaging import rpc
from kiosk_gateway import worker
from kiosk_gateway.worker import purge_expired


async def test_an_estimate_is_billings_quote(replica: Any) -> None:
    api = await (await replica()).user()
    body = (await api.post("/gen/estimate", {"type": "tryon", "size": {"width": 2048, "height": 1536}}, key="any")).body
    assert (body["credits"], body["usd"], body["balance"], body["sufficient"]) == (8, "0.80", 3, False)
    odd = await (await replica()).user("unpriceable")
    refused = await odd.post("/gen/estimate", {"type": "tryon"})
    assert (refused.status, refused.code) == (422, "unpriceable")


async def test_who_cannot_ask_says_so(replica: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    api = await (await replica()).user()

    async def nobody(*_: Any, **__: Any) -> None:
        raise rpc.RpcUnavailable("no responders")

    monkeypatch.setattr(rpc, "ask", nobody)
    for path, body in (
        ("/gen/estimate", {"type": "tryon"}),
        ("/gen/upload-url", {"filename": "a", "contentType": "image/png", "size": 7}),
    ):
        refused = await api.post(path, body)
        assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "unavailable", "1")


async def test_an_upload_is_a_picture_of_bounded_size(replica: Any) -> None:
    api = await (await replica()).user()
    asked = {"filename": "../../me.png", "contentType": "image/png", "size": 1000}
    ticket = (await api.post("/gen/upload-url", asked)).body
    assert ticket["key"] == f"tenant/acme/uploads/{ticket['uploadId']}"
    assert ticket["method"] == "PUT"
    for change, status, code in (
        ({"contentType": "text/html"}, 415, "unsupported_content_type"),
        ({"contentType": "image/jpeg x"}, 415, "unsupported_content_type"),
        ({"contentType": "image/heic"}, 415, "unsupported_picture_format"),
        ({"contentType": "IMAGE/AVIF; v=1"}, 415, "unsupported_picture_format"),
        ({"size": None}, 422, "size_required"),
        ({"size": 10 * 1024 * 1024 + 1}, 413, "upload_too_large"),
        ({"size": 0}, 422, "invalid_request"),
        ({"sha256": "x"}, 422, "invalid_request"),
        ({"bucket": "mine"}, 422, "invalid_request"),
    ):
        refused = await api.post("/gen/upload-url", {**asked, **change})
        assert (refused.status, refused.code) == (status, code)


@pytest.mark.parametrize("named", ["image/jpg", "IMAGE/JPEG", "image/jpeg; charset=binary", "image/x-png"])
async def test_a_media_type_is_compared_as_http_does(replica: Any, named: str) -> None:
    api = await (await replica()).user()
    ticket = await api.post("/gen/upload-url", {"filename": "a", "contentType": named, "size": 7})
    assert (ticket.status, ticket.body["headers"]["Content-Type"]) == (200, named)


async def test_a_refused_picture_says_what_to_do(replica: Any) -> None:
    api = await (await replica()).user()
    asked = {"filename": "IMG_1.HEIC", "contentType": "image/heic", "size": 7}
    assert "Most Compatible" in (await api.post("/gen/upload-url", asked)).body["detail"]
    large = await api.post("/gen/upload-url", {**asked, "contentType": "image/png", "size": 11 << 20})
    assert "smaller size" in large.body["detail"]


async def test_what_is_no_request_is_refused_without_an_echo(replica: Any) -> None:
    api = await (await replica()).user()
    good = {"personKey": "p", "itemKey": "i"}
    for change in ({"category": "hat"}, {"variants": 9}, {"size": {"width": 1, "height": 1}}, {"personKey": "x" * 300}):
        refused = await api.post("/gen/tryon", {**good, **change})
        assert (refused.status, refused.code) == (422, "invalid_request")
        assert "hat" not in str(refused.body)
    assert (
        await api.call("POST", "/api/gen/tryon", raw=b"{", Content_Type="application/json")
    ).code == "malformed_json"
    assert (await api.call("POST", "/api/gen/tryon", raw=b"{}", Content_Type="text/plain")).status == 415
    too_much = await api.call("POST", "/api/gen/tryon", raw=BytesIO(b" " * (1 << 21)), Content_Type="application/json")
    assert (too_much.status, too_much.code) == (413, "body_too_large")


async def test_the_description_and_its_page_are_served(replica: Any) -> None:
    instance = await replica()
    api = await instance.user()
    assert (await api.call("GET", "/openapi.json")).body["openapi"] == "3.1.0"
    page = await api.call("GET", "/docs")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.body.decode()):
        async with api.session.get(f"{api.base}/{asset}") as served:
            assert served.status == 200, asset
            assert asset == "openapi.json" or "immutable" in served.headers["Cache-Control"]
    async with api.session.get(f"{api.base}/{asset.rpartition('/')[0]}/LICENSE") as served:
        assert served.status == 404
    ready = await api.call("GET", "/readyz")
    assert {"database", "bus", "consumers", "prices"} <= set(ready.body["checks"])
    assert {check["detail"] for check in ready.body["checks"].values()} == {None}  # reasons are for operators
    assert b"closet_intake_batch_size" in exposition()


async def test_housekeeping_forgets_what_is_past_its_time(replica: Any, pool: Any) -> None:
    api = await (await replica()).user()
    await api.post("/consent", {"given": True}, key="old")
    await pool.execute("UPDATE idempotency SET created_at = now() - interval '25 hours'")
    await pool.execute("UPDATE sessions SET created_at = now() - interval '8 days'")
    await pool.execute("UPDATE refresh_tokens SET expires_at = now() - interval '1 day'")
    await api.post("/consent", {"given": True}, key="young")
    tokens = await api.post("/auth/token", {"userId": "u-1"}, Authorization="Bearer clk_acme_0123456789abcdefghij")
    assert tokens.status == 200
    assert not await purge_expired(pool)
    assert [row["key"] for row in await pool.fetch("SELECT key FROM idempotency")] == ["young"]
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 1
    assert await pool.fetchval("SELECT count(*) FROM refresh_tokens") == 1


async def test_housekeeping_goes_by_groups(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await pool.execute(
        """
        INSERT INTO idempotency (tenant_id, user_id, key, fingerprint, created_at)
        SELECT 'acme', 'u-1', 'key-' || n, '', now() - interval '2 days' FROM generate_series(1, 5) n
        """
    )
    monkeypatch.setattr(worker, "BATCH_SIZE", 2)
    left = []
    while await purge_expired(pool):
        left.append(await pool.fetchval("SELECT count(*) FROM idempotency"))
    assert left == [3, 1]
    assert await pool.fetchval("SELECT count(*) FROM idempotency") == 0
