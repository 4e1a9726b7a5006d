from typing import Any

import pytest
from closet_contracts.codec import encode
from closet_contracts.envelope import Event, new_event
from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_devstack.testing import eventually
from closet_messaging import dead_letters
from closet_messaging.dead_letters import DeadLetterNotFound, StoredDeadLetter
from closet_messaging.transaction import Tx
from nats.aio.client import Client

from .conftest import TENANT, House, effect, failed, letters, publish


class Moody:
    """A handler that fails until it is repaired."""

    def __init__(self) -> None:
        self.broken = True

    async def __call__(self, tx: Tx, event: Event[Any]) -> None:
        await effect(tx, event)
        if self.broken:
            await tx.conn.execute("INSERT INTO inbox (event_id) VALUES ($1)", event.id)


async def one_letter(operator: Client) -> StoredDeadLetter:
    return (await eventually(lambda: letters(operator)))[0]


async def test_a_letter_says_what_failed_and_why_without_quoting_rows(house: House, operator: Client) -> None:
    await house.open(handlers={JobFailed: Moody()})
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    stored = await one_letter(operator)
    letter = stored.dead_letter
    assert await dead_letters.get(operator.jetstream(), stored.sequence) == letter
    assert (letter.service, letter.subject, letter.event_id) == (Service.BILLING_METER, JobFailed.TYPE, event.id)
    assert (letter.event_type, letter.stream, letter.payload) == (JobFailed.TYPE, "CLOSET_JOB", encode(event))
    assert letter.error.startswith("UniqueViolationError: duplicate key value")
    assert event.id not in letter.error
    assert "Moody" in str(letter.handler)


async def test_a_replay_reaches_only_the_service_that_failed(house: House, operator: Client) -> None:
    moody = Moody()
    billing = await house.open(Service.BILLING_METER, {JobFailed: moody})
    gateway = await house.open(Service.KIOSK_GATEWAY, {JobFailed: effect})
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    stored = await one_letter(operator)
    assert await eventually(gateway.effects) == [event.id]
    await gateway.pool.execute("DELETE FROM inbox")  # so that a second copy would count

    moody.broken = False
    await dead_letters.replay(operator.jetstream(), stored.sequence)
    assert await eventually(billing.effects) == [event.id]
    assert await gateway.effects() == [event.id]
    assert await letters(operator) == []


async def test_a_replay_that_fails_again_is_a_letter_again(house: House, operator: Client) -> None:
    await house.open(handlers={JobFailed: Moody()})
    await publish(operator, new_event(failed(), tenant=TENANT))
    first = await one_letter(operator)
    await dead_letters.replay(operator.jetstream(), first.sequence)
    second = await one_letter(operator)
    assert second.sequence > first.sequence
    assert second.dead_letter.event_id == first.dead_letter.event_id
    assert second.dead_letter.stream == "CLOSET_REPLAY"


async def test_a_discarded_letter_is_gone(house: House, operator: Client) -> None:
    billing = await house.open(handlers={JobFailed: Moody()})
    await publish(operator, new_event(failed(), tenant=TENANT))
    stored = await one_letter(operator)
    assert await letters(operator, Service.KIOSK_GATEWAY) == []
    await dead_letters.discard(operator.jetstream(), stored.sequence)
    assert await letters(operator) == []
    assert await billing.effects() == []
    for verb in (dead_letters.get, dead_letters.discard, dead_letters.replay):
        with pytest.raises(DeadLetterNotFound):
            await verb(operator.jetstream(), stored.sequence)
