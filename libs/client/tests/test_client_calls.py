"""Calls to a gateway whose replicas die, refuse and lose answers."""

import asyncio
import sys

import pytest
from closet_client import ApiKey, ApiProblem, ClosetClient, Session, Unreachable

from .fake_closet import FakeCloset
from .faults import Fault, bad_gateway, hangs_up, loses_answer, refuses


async def test_a_lost_answer_is_asked_for_again_and_makes_one_job(closet: FakeCloset) -> None:
    closet.fail("POST /gen/tryon", loses_answer, loses_answer)
    async with closet.client() as client:
        created = await client.try_on("person", "garment", consent=True)
    assert list(closet.jobs) == [created.job_id]
    assert len(closet.idempotency_keys) == 3
    assert len(set(closet.idempotency_keys)) == 1


async def test_each_logical_call_has_a_key_of_its_own(closet: FakeCloset) -> None:
    async with closet.client() as client:
        first, second = await client.try_on("p", "g", consent=True), await client.try_on("p", "g", consent=True)
        again = await client.try_on("p", "g", consent=True, idempotency_key=closet.idempotency_keys[1])
    assert first.job_id != second.job_id
    assert again == second


@pytest.mark.parametrize("fault", [hangs_up, bad_gateway])
async def test_a_replica_that_is_away_is_left_for_the_next(closet: FakeCloset, fault: Fault) -> None:
    # Twice, for the HTTP library itself repeats a GET once whose kept connection was dropped.
    closet.fail("GET /billing/balance", *[fault] * 2)
    async with closet.client() as client:
        assert (await client.balance()).available == 495
    ports = [port for route, port in closet.calls if route == "GET /billing/balance"]
    assert len(set(ports)) == 2


async def test_a_replica_that_refuses_connections_is_left_for_the_next(
    closet: FakeCloset, unused_tcp_port: int
) -> None:
    closet.urls.insert(0, f"http://127.0.0.1:{unused_tcp_port}")
    async with closet.client() as client:
        assert (await client.balance()).held == 5
    assert len({port for _, port in closet.calls}) == 1


async def test_too_many_requests_waits_as_long_as_told(closet: FakeCloset) -> None:
    closet.fail("POST /gen/tryon", refuses(429, "rate_limited", Retry_After="1"))
    async with closet.client() as client:
        await client.try_on("p", "g", consent=True)
    assert closet.count("POST /gen/tryon") == 2


async def test_a_retry_after_beyond_our_patience_is_the_callers_business(closet: FakeCloset) -> None:
    closet.fail("POST /gen/tryon", refuses(429, "vendor_saturated", Retry_After="120"))
    async with closet.client() as client:
        with pytest.raises(ApiProblem) as refused:
            await client.try_on("p", "g", consent=True)
    assert (refused.value.code, refused.value.retry_after) == ("vendor_saturated", 120)
    assert closet.count("POST /gen/tryon") == 1


async def test_retries_are_bounded(closet: FakeCloset) -> None:
    closet.fail("GET /billing/balance", *[hangs_up] * 10)
    async with closet.client() as client:
        with pytest.raises(Unreachable):
            await client.balance()
    assert 4 <= closet.count("GET /billing/balance") <= 8


@pytest.mark.parametrize(
    ("status", "code"), [(403, "consent_required"), (402, "insufficient_credits"), (500, "internal")]
)
async def test_a_refusal_is_a_problem_at_once(closet: FakeCloset, status: int, code: str) -> None:
    closet.fail("POST /gen/tryon", refuses(status, code))
    async with closet.client() as client:
        with pytest.raises(ApiProblem) as refused:
            await client.try_on("p", "g", consent=True)
    problem = refused.value
    assert (problem.status, problem.code, problem.trace_id) == (status, code, "ab" * 16)
    assert str(problem) == f"A sentence about {code}. ({code})"
    assert closet.count("POST /gen/tryon") == 1


async def test_a_refused_token_is_replaced_and_the_call_made_once_more(closet: FakeCloset) -> None:
    async with closet.client() as client:
        await client.balance()
        closet.tokens.clear()
        await client.balance()
    assert closet.grants == 2


async def test_a_token_is_replaced_before_it_ends(closet: FakeCloset) -> None:
    closet.token_lives_s = 0
    async with closet.client() as client:
        await client.balance()
        await client.balance()
    assert closet.grants == 2


async def test_calls_at_the_same_time_share_one_token(closet: FakeCloset) -> None:
    async with closet.client() as client:
        await asyncio.gather(*(client.balance() for _ in range(8)))
        closet.tokens.clear()
        await asyncio.gather(*(client.balance() for _ in range(8)))
    assert closet.grants == 2


async def test_minting_survives_a_dying_replica(closet: FakeCloset) -> None:
    closet.fail("POST /auth/token", loses_answer, bad_gateway)
    async with closet.client() as client:
        await client.balance()


async def test_a_session_goes_on_with_its_refresh_tokens_each_used_once(closet: FakeCloset) -> None:
    granted = closet.grant()
    async with closet.client(Session(granted["accessToken"], granted["refreshToken"])) as client:
        for _ in range(2):
            closet.tokens.clear()
            await client.balance()
    assert closet.spent_refresh_tokens == {"refresh-1", "refresh-2"}


async def test_a_refresh_that_may_have_been_carried_out_ends_the_session_at_worst(closet: FakeCloset) -> None:
    closet.fail("POST /auth/refresh", bad_gateway)
    async with closet.client(Session("ended", "refresh-a")) as client:
        await client.balance()
    closet.fail("POST /auth/refresh", loses_answer)
    async with closet.client(Session("ended", "refresh-b")) as client:
        with pytest.raises(ApiProblem) as refused:
            await client.balance()
    assert refused.value.code == "refresh_token_reused"


async def test_a_token_without_a_way_to_renew_it_ends_with_a_problem(closet: FakeCloset) -> None:
    async with closet.client(Session("ended")) as client:
        with pytest.raises(ApiProblem) as refused:
            await client.balance()
    assert refused.value.code == "invalid_token"


async def test_a_wrong_api_key_is_said_once_and_never_shown(closet: FakeCloset) -> None:
    async with closet.client(ApiKey("ck_stolen", "u-1")) as client:
        with pytest.raises(ApiProblem) as refused:
            await client.balance()
    assert refused.value.code == "invalid_api_key"
    assert "ck_stolen" not in str(refused.value)
    assert closet.count("POST /auth/token") == 1


@pytest.mark.parametrize("urls", [[], ["gateway.example"], ["ftp://gateway.example"], ["https://"]])
def test_what_is_no_base_url_is_refused_before_anything_is_sent(urls: list[str]) -> None:
    with pytest.raises(ValueError, match="base URL"):
        ClosetClient(urls, Session("token"))


async def test_the_callers_headers_travel_with_every_request(closet: FakeCloset) -> None:
    asked: list[int] = []

    def context() -> dict[str, str]:
        asked.append(1)
        return {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}

    async with ClosetClient(closet.urls, ApiKey("ck_test", "u-1"), context=context) as client:
        await client.balance()
    assert len(asked) == 2


async def test_the_sdk_loads_neither_the_bus_nor_the_command() -> None:
    code = "import sys, closet_client; print(*{name.partition('.')[0] for name in sys.modules})"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    loaded = set((await process.communicate())[0].decode().split())
    assert "aiohttp" in loaded
    assert not {"nats", "typer", "rich", "closet_messaging", "asyncpg"} & loaded
