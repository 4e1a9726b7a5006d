import asyncio

import pytest
from closet_contracts.envelope import new_event
from closet_contracts.ownership import Service
from closet_devstack.testing import eventually
from closet_messaging import consumer
from closet_messaging.consumer import PullSubscription
from nats.aio.client import Client

from .conftest import TENANT, AsService, failed, publish, unread


async def waiting_requests(operator: Client) -> int:
    return (await operator.jetstream().consumer_info("CLOSET_JOB", Service.BILLING_METER)).num_waiting or 0


async def open_pull(as_service: AsService) -> PullSubscription:
    opened = PullSubscription(await as_service(Service.BILLING_METER), "CLOSET_JOB", Service.BILLING_METER)
    await opened.open()
    return opened


async def test_one_request_stands_while_nothing_comes(
    as_service: AsService, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(consumer, "HEARTBEAT_TIMEOUT_S", 0.3)
    opened = await open_pull(as_service)
    begun = opened.last_heartbeat_at
    reading = asyncio.create_task(opened.next_batch())
    await eventually(lambda: opened.last_heartbeat_at > begun + 1)  # heartbeats
    assert await waiting_requests(operator) == 1
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    assert len(await reading) == 1
    await opened.close()


async def test_whatever_has_arrived_is_one_batch_and_no_more_than_a_window_is_on_its_way(
    as_service: AsService, operator: Client
) -> None:
    await asyncio.gather(*(publish(operator, new_event(failed(), tenant=TENANT)) for _ in range(600)))
    opened = await open_pull(as_service)
    got = len(await opened.next_batch())
    await eventually(lambda: len(opened.buffered) >= consumer.MAX_BATCH // 2)
    assert len(opened.buffered) <= consumer.MAX_BATCH
    while got < 600:
        batch = await opened.next_batch()
        assert 0 < len(batch) <= consumer.MAX_BATCH
        got += len(batch)
    assert await unread(operator) == (0, 600)
    assert await opened.close() == []


async def test_closing_gives_what_nobody_took_and_ends_the_wait(as_service: AsService, operator: Client) -> None:
    opened = await open_pull(as_service)
    reading = asyncio.create_task(opened.next_batch())
    await publish(operator, new_event(failed(), tenant=TENANT))
    assert len(await reading) == 1
    await publish(operator, new_event(failed(), tenant=TENANT))
    await eventually(lambda: opened.buffered)
    assert len(await opened.close()) == 1
    assert await opened.next_batch() == []


async def test_a_refusal_is_no_sign_of_life(
    as_service: AsService, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness looks at it: a consumer that is no more answers every request at once, and gives nothing."""
    monkeypatch.setattr(consumer, "REFUSED_PAUSE_S", 0.01)
    opened = await open_pull(as_service)
    await operator.jetstream().delete_consumer("CLOSET_JOB", Service.BILLING_METER)
    begun, asked = opened.last_heartbeat_at, 0
    ask = opened._request_more

    async def counted() -> None:
        nonlocal asked
        asked += 1
        await ask()

    monkeypatch.setattr(opened, "_request_more", counted)
    reading = asyncio.create_task(opened.next_batch())
    await eventually(lambda: asked > 3)
    assert opened.last_heartbeat_at == begun
    reading.cancel()
    await opened.close()
