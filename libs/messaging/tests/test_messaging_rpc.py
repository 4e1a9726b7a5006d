import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest
from closet_contracts.ownership import Service
from closet_contracts.rpc import LedgerLine, LedgerPage, ReadLedger, SignedGets, SignGet
from closet_devstack.testing import eventually
from closet_messaging import rpc
from closet_messaging.rpc import RpcFailed, RpcUnavailable
from nats.aio.client import Client

from .conftest import TENANT, House

ASK = SignGet(tenant_id=TENANT, keys=("a", "b"))


async def sign(request: SignGet) -> SignedGets:
    return SignedGets(urls=tuple(f"https://s3/{key}" for key in request.keys), expires_in=60)


async def test_an_answer_comes_back(house: House) -> None:
    await house.open(Service.UPLOAD_SIGNER, requests={SignGet: sign})
    gateway = await house.open(Service.KIOSK_GATEWAY)
    answer = await gateway.bus.ask(ASK)
    assert answer == SignedGets(urls=("https://s3/a", "https://s3/b"), expires_in=60)


async def test_the_operator_may_ask(house: House, operator: Client) -> None:
    line = LedgerLine(at=datetime.now(UTC), transaction_id="t", kind="grant", cause="c", amount=5, balance_after=5)
    page = LedgerPage(account_id="tenant:acme", balance=5, held=0, available=5, lines=(line,))

    async def read(_request: ReadLedger) -> LedgerPage:
        return page

    await house.open(Service.BILLING_METER, requests={ReadLedger: read})
    assert await rpc.ask(operator, ReadLedger(account_id="tenant:acme")) == page


async def test_a_refusal_comes_back_with_its_code_and_sentence(house: House) -> None:
    async def refuse(_request: SignGet) -> SignedGets:
        raise RpcFailed("not_yours", "That key is another tenant's.")

    await house.open(Service.UPLOAD_SIGNER, requests={SignGet: refuse})
    gateway = await house.open(Service.KIOSK_GATEWAY)
    with pytest.raises(RpcFailed) as caught:
        await gateway.bus.ask(ASK)
    assert (caught.value.code, caught.value.detail) == ("not_yours", "That key is another tenant's.")


async def test_a_handlers_error_says_nothing_of_its_inside(house: House) -> None:
    async def fail(_request: SignGet) -> SignedGets:
        raise RuntimeError("the secret is hunter2")

    await house.open(Service.UPLOAD_SIGNER, requests={SignGet: fail})
    gateway = await house.open(Service.KIOSK_GATEWAY)
    with pytest.raises(RpcFailed) as caught:
        await gateway.bus.ask(ASK)
    assert caught.value.code == "internal"
    assert "hunter2" not in str(caught.value)


async def test_an_answerer_without_its_database_is_unavailable(house: House) -> None:
    async def fail(_request: SignGet) -> SignedGets:
        raise asyncpg.CannotConnectNowError("the database system is starting up")

    await house.open(Service.UPLOAD_SIGNER, requests={SignGet: fail})
    gateway = await house.open(Service.KIOSK_GATEWAY)
    with pytest.raises(RpcUnavailable):
        await gateway.bus.ask(ASK)


async def test_a_request_that_is_not_valid_is_refused_by_field(house: House, operator: Client) -> None:
    await house.open(Service.UPLOAD_SIGNER, requests={SignGet: sign})
    with pytest.raises(RpcFailed) as caught:
        await rpc.ask(operator, SignGet.model_construct(tenant_id="NOT A TENANT", keys=()))
    assert caught.value.code == "invalid_request"
    assert caught.value.detail == "not valid: keys, tenantId"


async def test_nobody_there_is_told_at_once_and_a_slow_one_in_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await house.open(Service.KIOSK_GATEWAY)
    with pytest.raises(RpcUnavailable, match="NoResponders"):
        await gateway.bus.ask(ASK, timeout_s=60)

    async def never(_request: SignGet) -> SignedGets:
        await asyncio.Event().wait()
        raise AssertionError

    signer = await house.open(Service.UPLOAD_SIGNER, requests={SignGet: never})
    with pytest.raises(RpcUnavailable, match="Timeout"):
        await gateway.bus.ask(ASK, timeout_s=0.05)
    monkeypatch.setattr(rpc, "FINISH_S", 0.05)
    await signer.stop()  # nor does it hold up the end


async def test_requests_are_answered_side_by_side_and_shared_by_replicas(house: House) -> None:
    waiting: list[str] = []
    go = asyncio.Event()

    async def wait(name: str, request: SignGet) -> SignedGets:
        waiting.append(name)
        await go.wait()
        return await sign(request)

    for name in ("one", "two"):
        await house.open(Service.UPLOAD_SIGNER, requests={SignGet: lambda request, name=name: wait(name, request)})
    gateway = await house.open(Service.KIOSK_GATEWAY)
    asking = [asyncio.create_task(gateway.bus.ask(ASK, timeout_s=10)) for _ in range(30)]
    await eventually(lambda: len(waiting) == 30)
    assert set(waiting) == {"one", "two"}
    go.set()
    await asyncio.gather(*asking)


async def test_a_stop_answers_what_was_asked(house: House) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(request: SignGet) -> SignedGets:
        asked.set()
        await go.wait()
        return await sign(request)

    signer = await house.open(Service.UPLOAD_SIGNER, requests={SignGet: slow})
    gateway = await house.open(Service.KIOSK_GATEWAY)
    asking = asyncio.create_task(gateway.bus.ask(ASK, timeout_s=10))
    await asked.wait()
    stopping = asyncio.create_task(signer.stop())
    go.set()
    assert (await asking).expires_in == 60
    await stopping


async def test_a_bell_is_heard_by_every_replica(house: House) -> None:
    heard: list[tuple[int, bytes]] = []
    replicas = [await house.open(Service.KIOSK_GATEWAY) for _ in range(2)]
    for number, replica in enumerate(replicas):

        def note(payload: bytes, number: int = number) -> None:
            heard.append((number, payload))

        await replica.bus.subscribe("jobs", note)
    await replicas[0].bus.notify("jobs", b"job_1")
    await eventually(lambda: sorted(heard) == [(0, b"job_1"), (1, b"job_1")])
