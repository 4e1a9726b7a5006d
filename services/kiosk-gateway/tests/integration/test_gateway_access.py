"""Tokens: who gets them, what they allow, and that a stolen one ends its session."""

import asyncio
from typing import Any

import jwt
from kiosk_gateway.store.tenants import digest


async def test_an_api_key_mints_tokens_that_anyone_can_verify(replica: Any) -> None:
    instance = await replica()
    api = await instance.user("u-7")
    token = api.headers["Authorization"].removeprefix("Bearer ")
    keys = (await api.get("/.well-known/jwks.json")).body["keys"]
    key = jwt.PyJWK(next(key for key in keys if key["kid"] == jwt.get_unverified_header(token)["kid"]))
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="closet-api", issuer="closet")
    assert (claims["sub"], claims["tid"], claims["exp"] - claims["iat"]) == ("u-7", "acme", 900)
    assert set(claims["scope"].split()) == {"generate", "jobs:read", "consent", "balance:read"}


async def test_without_a_good_key_there_is_no_token(replica: Any) -> None:
    api = await (await replica()).user()
    for authorization in ("Bearer wrong", "Bearer ", "Basic x", api.headers["Authorization"], "Bearer \udcff"):
        refused = await api.post("/auth/token", {"userId": "u-1"}, Authorization=authorization)
        assert (refused.status, refused.code) == (401, "invalid_api_key")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
    key = "Bearer clk_acme_0123456789abcdefghij"
    for body in ({"userId": "someone@example.com"}, {"userId": "u", "scopes": []}, {"userId": "u", "scopes": ["root"]}):
        assert (await api.post("/auth/token", body, Authorization=key)).code == "invalid_request"


async def test_a_token_opens_what_its_scopes_name(replica: Any) -> None:
    api = await (await replica()).user(scopes=["jobs:read"])
    assert (await api.get("/gen/jobs")).status == 200
    for refused in (
        await api.get("/billing/balance"),
        await api.post("/consent", {"given": True}),
        await api.post("/gen/estimate", {"type": "tryon"}),
    ):
        assert (refused.status, refused.code) == (403, "insufficient_scope")
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Bearer clk_acme_0123456789abcdefghij"}):
        api.headers = headers
        refused = await api.get("/gen/jobs")
        assert (refused.status, refused.code) == (401, "invalid_token")


async def _session(instance: Any) -> tuple[Any, str]:
    api = await instance.user()
    body = {"userId": "u-1", "scopes": ["jobs:read"]}
    tokens = await api.post("/auth/token", body, Authorization="Bearer clk_acme_0123456789abcdefghij")
    return api, tokens.body["refreshToken"]


async def test_a_session_goes_on_with_the_scopes_it_began_with(replica: Any, pool: Any) -> None:
    here, there = await replica(), await replica()
    api, refresh = await _session(here)
    other = await there.user()
    for each in (api, other, api):
        answer = await each.post("/auth/refresh", {"refreshToken": refresh})
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert (answer.body["scopes"], answer.body["expiresIn"]) == (["jobs:read"], 900)
        refresh = answer.body["refreshToken"]
    stored = [row["token_hash"] for row in await pool.fetch("SELECT token_hash FROM refresh_tokens")]
    assert digest(refresh) in stored
    assert refresh.encode() not in stored


async def _renewed(api: Any, refresh: str) -> Any:
    return await api.post("/auth/refresh", {"refreshToken": refresh})


async def test_after_the_grace_a_refresh_token_that_comes_back_ends_its_session_only(replica: Any, pool: Any) -> None:
    instance = await replica()
    api, stolen = await _session(instance)
    _, untouched = await _session(instance)
    first = (await _renewed(api, stolen)).body
    await pool.execute("UPDATE refresh_tokens SET used_at = used_at - interval '31 seconds'")
    reused = await _renewed(api, stolen)
    assert (reused.status, reused.code) == (401, "refresh_token_reused")
    ended = await _renewed(api, first["refreshToken"])
    assert (ended.status, ended.code) == (401, "invalid_refresh_token")
    api.headers = {"Authorization": f"Bearer {first['accessToken']}"}
    assert (await api.get("/gen/jobs")).code == "invalid_token"
    assert (await _renewed(api, untouched)).status == 200


async def test_two_tabs_at_once_and_a_lost_answer_get_the_same_successor(replica: Any, pool: Any) -> None:
    here, there = await replica(), await replica()
    api, refresh = await _session(here)
    other = await there.user()
    answers = await asyncio.gather(*(_renewed(each, refresh) for each in (api, other) * 2))
    answers.append(await _renewed(other, refresh))
    assert [answer.status for answer in answers] == [200] * 5
    (successor,) = {answer.body["refreshToken"] for answer in answers}
    stored = [bytes(row["token_hash"]) for row in await pool.fetch("SELECT token_hash FROM refresh_tokens")]
    assert digest(successor) in stored
    assert successor.encode() not in stored
    assert (await _renewed(api, successor)).status == 200


async def test_the_grace_ends_when_the_successor_is_used(replica: Any) -> None:
    api, refresh = await _session(await replica())
    successor = (await _renewed(api, refresh)).body["refreshToken"]
    last = (await _renewed(api, successor)).body["refreshToken"]
    assert (await _renewed(api, refresh)).code == "refresh_token_reused"
    assert (await _renewed(api, last)).code == "invalid_refresh_token"


async def test_an_expired_refresh_token_is_none(replica: Any, pool: Any) -> None:
    api, refresh = await _session(await replica())
    await pool.execute("UPDATE refresh_tokens SET expires_at = now() - interval '1 second'")
    assert (await api.post("/auth/refresh", {"refreshToken": refresh})).code == "invalid_refresh_token"
