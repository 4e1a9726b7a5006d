"""What the bus delivers again, because it was told nothing or not in time."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from closet_contracts.envelope import Event, new_event
from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_devstack.testing import eventually
from closet_messaging import consumer, retries
from closet_messaging.deliveries import Acknowledger
from closet_messaging.transaction import Tx
from nats.aio.client import Client
from nats.aio.msg import Msg

from .conftest import TENANT, House, Outcomes, deliver_often, effect, failed, letters, publish, unread

ACK_WAIT_S = 1.0


async def impatient(operator: Client) -> None:
    """Makes the bus deliver again after `ACK_WAIT_S`. A service that starts afterwards finds that the bus drifted."""
    js = operator.jetstream()
    config = (await js.consumer_info("CLOSET_JOB", Service.BILLING_METER)).config
    await js.add_consumer("CLOSET_JOB", config.evolve(name=Service.BILLING_METER, ack_wait=ACK_WAIT_S))


async def test_a_replica_that_dies_before_its_commit_leaves_everything_to_another(
    house: House, operator: Client
) -> None:
    begun = asyncio.Event()

    async def hangs(tx: Tx, event: Event[Any]) -> None:
        await effect(tx, event)
        begun.set()
        await asyncio.Event().wait()

    victim = await house.open(handlers={JobFailed: hangs})
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    await begun.wait()
    survivor = await house.open(handlers={JobFailed: effect})
    await impatient(operator)
    await victim.die()
    assert await eventually(survivor.effects) == [event.id]


async def test_a_replica_that_dies_between_commit_and_acknowledgement_doubles_nothing(
    house: House, operator: Client, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Msg] = []
    done = Acknowledger.ack

    async def loses_the_first(self: Acknowledger, messages: Iterable[Msg]) -> None:
        if lost:
            await done(self, messages)
        else:
            lost.extend(messages)

    monkeypatch.setattr(Acknowledger, "ack", loses_the_first)
    billing = await house.open(handlers={JobFailed: effect})
    await impatient(operator)
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    await eventually(lambda: outcomes("duplicate") == 1)
    assert len(lost) == 1
    assert await billing.effects() == [event.id]


async def test_a_slow_batch_is_not_delivered_again(
    house: House, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "EXTEND_EVERY_S", ACK_WAIT_S / 4)

    async def slow(tx: Tx, event: Event[Any]) -> None:
        await tx.conn.execute("SELECT pg_sleep($1)", 3 * ACK_WAIT_S)
        await effect(tx, event)

    billing = await house.open(handlers={JobFailed: slow})
    await impatient(operator)
    await publish(operator, new_event(failed(), tenant=TENANT))
    await eventually(billing.effects)

    async def acknowledged() -> bool:
        return await unread(operator) == (0, 0)

    await eventually(acknowledged)
    info = await operator.jetstream().consumer_info("CLOSET_JOB", Service.BILLING_METER)
    assert info.delivered is not None
    assert info.delivered.consumer_seq == 1


async def test_an_event_that_kills_its_processes_is_given_up_in_the_end(house: House, operator: Client) -> None:
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    await deliver_often(operator, retries.MAX_UNEXPLAINED_DELIVERIES)
    billing = await house.open(handlers={JobFailed: effect})
    letter = (await eventually(lambda: letters(operator)))[0].dead_letter
    assert letter.error == "Abandoned: delivered 51 times"
    assert await billing.effects() == []


async def test_an_event_that_came_often_but_is_fine_is_handled(house: House, operator: Client) -> None:
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    await deliver_often(operator, consumer.SUSPECT_FROM_DELIVERY)
    billing = await house.open(handlers={JobFailed: effect})
    assert await eventually(billing.effects) == [event.id]


async def test_a_batch_that_takes_for_ever_shows(
    house: House, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "STUCK_S", 0.05)
    go = asyncio.Event()

    async def stuck(_tx: Tx, _event: Event[Any]) -> None:
        await go.wait()

    billing = await house.open(handlers={JobFailed: stuck})
    await publish(operator, new_event(failed(), tenant=TENANT))

    async def shown() -> bool:
        return not (await billing.process.readiness.report()).ready

    await eventually(shown)
    report = await billing.process.readiness.report()
    assert "CLOSET_JOB: 0 s at one batch" in str(report.checks["consumers"])
    go.set()
