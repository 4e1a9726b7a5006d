"""What an operator revokes is good nowhere within seconds, on every replica, for tokens that are out already too."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest
from closet_devstack.testing import eventually
from kiosk_gateway.admin import main

KEY = "clk_acme_0123456789abcdefghij"
Operate = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
def operate(
    database_url: str, owner_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operate:
    monkeypatch.setenv("CLOSET_DATABASE_URL", database_url)
    monkeypatch.setenv("CLOSET_MIGRATIONS_URL", owner_url)

    async def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = await asyncio.to_thread(main, arguments)
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


async def _sign_in(replica: Any, user: str = "u-1") -> tuple[Any, str]:
    api = await replica.user(user)
    tokens = (await api.post("/auth/token", {"userId": user}, Authorization=f"Bearer {KEY}")).body
    api.headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
    assert (await api.get("/gen/jobs")).status == 200
    return api, tokens["refreshToken"]


async def _is_out(api: Any) -> bool:
    return bool((await api.get("/gen/jobs")).status == 401)


async def _is_out_everywhere(api: Any, *replicas: Any) -> None:
    for replica in replicas:
        api.base = replica.base
        await eventually(lambda: _is_out(api))


def _claims(api: Any) -> dict[str, Any]:
    token = api.headers["Authorization"].removeprefix("Bearer ")
    return dict(jwt.decode(token, options={"verify_signature": False}))


async def test_a_revoked_key_takes_its_sessions_with_it(replica: Any, operate: Operate) -> None:
    here, there = await replica(), await replica()
    (api, refresh), other = await _sign_in(here), await here.user(tenant="other")
    code, result = await operate("list-keys", "acme")
    assert (code, result["keys"][0]["key_id"]) == (0, _claims(api)["key_id"])
    assert (await operate("revoke-key", result["keys"][0]["key_id"]))[0] == 0
    await _is_out_everywhere(api, here, there)
    assert (await api.post("/auth/refresh", {"refreshToken": refresh})).code == "invalid_refresh_token"
    again = await api.post("/auth/token", {"userId": "u-1"}, Authorization=f"Bearer {KEY}")
    assert again.code == "invalid_api_key"
    assert (await other.get("/gen/jobs")).status == 200


async def test_a_deleted_key_carries_no_session_on(replica: Any, pool: Any) -> None:
    api, refresh = await _sign_in(await replica())
    await pool.execute("DELETE FROM api_keys WHERE tenant_id = 'acme'")
    assert (await api.post("/auth/refresh", {"refreshToken": refresh})).code == "invalid_refresh_token"


async def test_a_revoked_tenant_is_out_until_it_is_restored(replica: Any, operate: Operate) -> None:
    here, there = await replica(), await replica()
    api, refresh = await _sign_in(here)
    assert (await operate("revoke-tenant", "acme"))[0] == 0
    await _is_out_everywhere(api, here, there)
    assert (await api.post("/auth/refresh", {"refreshToken": refresh})).code == "invalid_refresh_token"
    refused = await api.post("/auth/token", {"userId": "u-1"}, Authorization=f"Bearer {KEY}")
    assert refused.code == "invalid_api_key"
    assert (await operate("restore-tenant", "acme"))[0] == 0
    assert (await api.post("/auth/token", {"userId": "u-1"}, Authorization=f"Bearer {KEY}")).status == 200


async def test_one_session_or_all_of_a_user(replica: Any, operate: Operate) -> None:
    here, there = await replica(), await replica()
    (first, _), (second, _), (stranger, _) = [await _sign_in(here, user) for user in ("u-1", "u-1", "u-2")]
    assert (await operate("revoke-session", _claims(first)["sid"]))[0] == 0
    await _is_out_everywhere(first, here, there)
    assert not await _is_out(second)
    code, result = await operate("revoke-user", "acme", "u-1")
    assert (code, result["sessions"]) == (0, 3)  # the second, and those that the test's helper began
    await _is_out_everywhere(second, here, there)
    assert not await _is_out(stranger)


@pytest.mark.parametrize(
    "verb", [("revoke-key", "none"), ("revoke-tenant", "none"), ("revoke-session", "0" * 32)], ids=lambda verb: verb[0]
)
async def test_what_is_not_there_cannot_be_revoked(replica: Any, operate: Operate, verb: tuple[str, str]) -> None:
    await replica()
    assert (await operate(*verb))[0] == 1


async def test_who_signs_out_is_out_on_all_replicas(replica: Any) -> None:
    here, there = await replica(), await replica()
    (api, refresh), (other, _) = await _sign_in(here), await _sign_in(there)
    gone = await api.call("DELETE", "/api/auth/session")
    assert gone.status == 204
    assert await _is_out(api)  # here at once
    await _is_out_everywhere(api, there)
    assert (await api.post("/auth/refresh", {"refreshToken": refresh})).code == "invalid_refresh_token"
    assert (await api.call("DELETE", "/api/auth/session")).code == "invalid_token"
    assert not await _is_out(other)


async def test_a_stream_ends_when_its_token_is_revoked(replica: Any, bus: Any, operate: Operate) -> None:
    here = await replica()
    await bus.balance(100, 1)
    api, _ = await _sign_in(here)
    created = await api.post("/gen/text2img", {"prompt": "a hat"})
    events = f"{here.base}/api/gen/job/{created.body['jobId']}/events"
    async with api.session.get(events, headers=api.headers) as stream:
        assert stream.status == 200
        assert "no-transform" in stream.headers["Cache-Control"]
        await operate("revoke-tenant", "acme")
        await stream.read()  # comes to its end, though the job does not
    await _is_out_everywhere(api, here)
