import asyncio
from collections import Counter
from typing import Any

from closet_contracts.envelope import Event, new_event
from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_devstack.servers.nats import NatsServer
from closet_devstack.servers.postgres import PostgresServer
from closet_devstack.testing import eventually
from closet_messaging import outbox
from closet_messaging.streams import provision
from closet_messaging.transaction import Tx
from nats.aio.client import Client

from .conftest import TENANT, House, Outcomes, Replica, effect, failed, letters, publish


async def emit(replica: Replica, count: int) -> list[str]:
    """One transaction after the other, so that an outage hits in between."""
    ids = []
    for _ in range(count):
        async with replica.bus.transaction() as tx:
            ids.append(outbox.add(tx, failed(), tenant=TENANT).id)
    return ids


async def test_a_bus_that_restarts_mid_stream_loses_and_doubles_nothing(
    house: House, nats_server: NatsServer, operator: Client
) -> None:
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    billing = await house.open(handlers={JobFailed: effect})
    emitting = asyncio.create_task(emit(orchestrator, 1500))
    for _ in range(2):
        before = len(await billing.effects())

        async def some_more(floor: int = before) -> bool:
            return len(await billing.effects()) > floor + 100

        await eventually(some_more, 30)
        await asyncio.to_thread(nats_server.kill)
        await asyncio.to_thread(nats_server.start)
    ids = await emitting

    async def all_there() -> bool:
        return sorted(await billing.effects()) == sorted(ids)

    await eventually(all_there, 40)
    assert await letters(operator) == []


async def test_what_is_committed_while_the_bus_is_away_is_published_when_it_is_back(
    house: House, nats_server: NatsServer
) -> None:
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    billing = await house.open(handlers={JobFailed: effect})
    await asyncio.to_thread(nats_server.kill)
    ids = await emit(orchestrator, 20)
    await eventually(lambda: not orchestrator.bus._nc.is_connected)
    report = await orchestrator.process.readiness.report()
    assert report.checks["bus"] == "not connected"
    await asyncio.to_thread(nats_server.start)

    async def all_there() -> bool:
        return sorted(await billing.effects()) == sorted(ids)

    await eventually(all_there, 30)
    assert (await orchestrator.process.readiness.report()).ready
    assert not orchestrator.crashed


async def test_a_database_that_is_away_is_not_the_events_fault(
    house: House, postgres_server: PostgresServer, operator: Client, outcomes: Outcomes
) -> None:
    billing = await house.open(handlers={JobFailed: effect})
    first = new_event(failed(), tenant=TENANT)
    await publish(operator, first)
    await eventually(billing.effects)
    await asyncio.to_thread(postgres_server.stop)
    try:
        events = [new_event(failed(), tenant=TENANT) for _ in range(30)]
        for event in events:
            await publish(operator, event)
        # Longer than all the backoff that these replicas have: attempts would have run out.
        await asyncio.sleep(1.5)
    finally:
        await asyncio.to_thread(postgres_server.start)

    async def all_there() -> bool:
        return sorted(await billing.effects()) == sorted(event.id for event in [first, *events])

    await eventually(all_there, 30)
    assert await letters(operator) == []
    assert outcomes("dead") == 0


async def test_a_database_that_restarts_mid_stream_loses_and_doubles_nothing(
    house: House, postgres_server: PostgresServer, operator: Client
) -> None:
    async def slowly(tx: Tx, event: Event[Any]) -> None:
        await effect(tx, event)
        await tx.conn.execute("SELECT pg_sleep(0.002)")

    billing = await house.open(handlers={JobFailed: slowly})
    events = [new_event(failed(), tenant=TENANT) for _ in range(300)]
    for event in events:
        await publish(operator, event)
    await eventually(billing.effects)
    await asyncio.to_thread(postgres_server.restart)

    async def all_there() -> bool:
        return len(await billing.effects()) >= 300

    await eventually(all_there, 30)
    assert Counter(await billing.effects()) == Counter(event.id for event in events)
    assert await letters(operator) == []


async def test_a_consumer_that_is_made_anew_is_found_again(house: House, operator: Client) -> None:
    billing = await house.open(handlers={JobFailed: effect})
    js = operator.jetstream()
    await js.delete_consumer("CLOSET_JOB", Service.BILLING_METER)
    await provision(js)
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    assert await eventually(billing.effects) == [event.id]


async def test_a_connection_that_is_gone_for_good_ends_the_process(house: House) -> None:
    billing = await house.open()
    await billing.bus._nc.close()
    await eventually(lambda: billing.crashed)
