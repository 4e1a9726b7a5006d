"""What uses an event's attempts up: its handler's failures, and processes that it ends; nothing else."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.envelope import Event, new_event
from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_devstack.testing import eventually
from closet_messaging import dead_letters, retries, streams, sweeper
from closet_messaging.consumer import SUSPECT_FROM_DELIVERY
from closet_messaging.deliveries import Delivery
from closet_messaging.retries import Attempts
from closet_messaging.sweeper import delete_old_rows
from closet_messaging.transaction import Tx
from nats.aio.client import Client

from .conftest import BACKOFF_S, TENANT, House, Outcomes, Replica, deliver_often, effect, failed, letters, publish

CRASHES = 7
ACK_WAIT_S = 0.3


class Fails:
    """A handler that fails so often, each time alone; then it is well."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def __call__(self, tx: Tx, event: Event[Any]) -> None:
        await effect(tx, event)
        if self.left:
            self.left -= 1
            raise RuntimeError("not yet")


async def noted(pool: Pool) -> list[tuple[int, int]]:
    rows = await pool.fetch("SELECT failures, interruptions FROM inbox_attempts ORDER BY stream_seq")
    return [(row[0], row[1]) for row in rows]


@pytest.mark.parametrize("failures", [1, len(BACKOFF_S)])
async def test_crashes_before_it_cost_an_event_none_of_its_attempts(
    house: House, operator: Client, outcomes: Outcomes, failures: int
) -> None:
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    await deliver_often(operator, CRASHES)
    billing = await house.open(handlers={JobFailed: Fails(failures)})
    assert await eventually(billing.effects) == [event.id]
    assert (outcomes("failed"), outcomes("dead")) == (failures, 0)
    assert await letters(operator) == []


@pytest.mark.parametrize("crashes", [0, CRASHES])
async def test_an_event_that_always_fails_is_given_up_after_as_many_failures_whatever_happened_before(
    house: House, operator: Client, outcomes: Outcomes, crashes: int
) -> None:
    await publish(operator, new_event(failed(), tenant=TENANT))
    await deliver_often(operator, crashes)
    billing = await house.open(handlers={JobFailed: Fails(1000)})
    letter = (await eventually(lambda: letters(operator)))[0].dead_letter
    assert letter.error == "RuntimeError: not yet"
    assert letter.deliveries == crashes + len(BACKOFF_S) + 1
    assert (outcomes("failed"), outcomes("dead")) == (len(BACKOFF_S), 1)
    assert await noted(billing.pool) == [(len(BACKOFF_S) + 1, 0)]


async def test_a_letter_that_is_sent_back_has_all_its_attempts_again(
    house: House, operator: Client, outcomes: Outcomes
) -> None:
    # Each of the first two deliveries is tried with others, then alone; the third alone.
    fails = Fails(2 + 2 + 1)
    billing = await house.open(handlers={JobFailed: fails})
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    stored = (await eventually(lambda: letters(operator)))[0]
    assert fails.left == 0
    fails.left = 2 + 2
    await dead_letters.replay(operator.jetstream(), stored.sequence)
    assert await eventually(billing.effects) == [event.id]
    assert (outcomes("failed"), outcomes("dead")) == (4, 1)
    assert await letters(operator) == []


class Kills:
    """A handler in a process that one event ends each time."""

    def __init__(self, event: Event[Any]) -> None:
        self.begun = asyncio.Event()
        self._killer = event.id

    async def __call__(self, tx: Tx, event: Event[Any]) -> None:
        await effect(tx, event)
        if event.id == self._killer:
            self.begun.set()
            await asyncio.Event().wait()


async def impatient(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bus delivers again soon what a dead process had in hand; services that start find it as it should be."""
    monkeypatch.setattr(streams, "ACK_WAIT_S", ACK_WAIT_S)
    await streams.provision(operator.jetstream())


async def live_once(house: House, operator: Client, kills: Kills) -> Replica:
    """A process from its start to its end: by the event, or by us when the event has been given up."""
    kills.begun.clear()
    replica = await house.open(handlers={JobFailed: kills})

    async def ends() -> bool:
        return kills.begun.is_set() or bool(await letters(operator))

    await eventually(ends)
    await replica.die()
    return replica


async def test_an_event_that_ends_its_process_each_time_is_given_up_and_costs_only_itself(
    house: House, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "MAX_INTERRUPTIONS", 3)
    monkeypatch.setattr(retries, "SUSPECT_DELAY_S", 0)
    await impatient(operator, monkeypatch)
    events = [new_event(failed(), tenant=TENANT) for _ in range(9)]
    killer = events[4]
    for event in events:
        await publish(operator, event)
    kills = Kills(killer)
    lives = 0
    while not await letters(operator):
        await live_once(house, operator, kills)
        lives += 1
    # Begun three times alone, and before that with others, for as long as it had not come often.
    assert 3 < lives <= SUSPECT_FROM_DELIVERY + 3
    (letter,) = [stored.dead_letter for stored in await letters(operator)]
    assert letter.event_id == killer.id
    assert letter.error == "Abandoned: its process ended 3 times while handling it"
    survivor = await house.open(handlers={JobFailed: effect})

    async def all_others() -> bool:
        return sorted(await survivor.effects()) == sorted(event.id for event in events if event is not killer)

    await eventually(all_others)
    assert len(await letters(operator)) == 1


async def test_everything_else_comes_before_what_has_ended_a_process(house: House, operator: Client) -> None:
    killer, harmless = [new_event(failed(), tenant=TENANT) for _ in range(2)]
    await publish(operator, killer)
    await deliver_often(operator, SUSPECT_FROM_DELIVERY)
    async with house.pool(Service.BILLING_METER) as pool:
        note = (
            "INSERT INTO inbox_attempts (event_id, stream, stream_seq, interruptions) VALUES ($1, 'CLOSET_JOB', 1, 1)"
        )
        await pool.execute(note, killer.id)
    kills = Kills(killer)
    billing = await house.open(handlers={JobFailed: kills})
    await publish(operator, harmless)
    assert await eventually(billing.effects) == [harmless.id]
    assert not kills.begun.is_set()
    await billing.die()


async def test_an_event_that_ended_processes_and_then_fails_and_then_is_well_is_handled(
    house: House, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "SUSPECT_DELAY_S", 0)
    await impatient(operator, monkeypatch)
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    kills = Kills(event)
    for _ in range(SUSPECT_FROM_DELIVERY + 1):
        victim = await live_once(house, operator, kills)
    ((failures, interruptions),) = await noted(victim.pool)
    assert failures == 0
    assert 2 <= interruptions < retries.MAX_INTERRUPTIONS
    billing = await house.open(handlers={JobFailed: Fails(1)})
    assert await eventually(billing.effects) == [event.id]
    assert await letters(operator) == []
    assert (await noted(billing.pool))[0][0] == 1


async def test_what_is_handled_at_once_is_noted_nowhere(house: House, operator: Client, outcomes: Outcomes) -> None:
    billing = await house.open(handlers={JobFailed: effect})
    for _ in range(20):
        await publish(operator, new_event(failed(), tenant=TENANT))
    await eventually(lambda: outcomes("handled") == 20)
    assert await noted(billing.pool) == []


async def test_what_cannot_be_read_of_earlier_attempts_is_waited_for(
    house: House, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [OSError(), OSError()]
    read = retries.read_attempts

    async def away_at_first(pool: Pool, deliveries: Sequence[Delivery]) -> Mapping[int, Attempts]:
        if errors:
            raise errors.pop()
        return await read(pool, deliveries)

    monkeypatch.setattr(retries, "read_attempts", away_at_first)
    monkeypatch.setattr(retries, "DATABASE_RETRY_S", 0.01)
    event = new_event(failed(), tenant=TENANT)
    await publish(operator, event)
    await deliver_often(operator, SUSPECT_FROM_DELIVERY)
    billing = await house.open(handlers={JobFailed: effect})
    assert await eventually(billing.effects) == [event.id]
    assert errors == []


async def test_notes_are_thrown_away_when_nothing_can_be_delivered_any_more(house: House) -> None:
    async with house.pool(Service.BILLING_METER) as pool:
        for number, age in enumerate((timedelta(days=8), timedelta(days=10))):
            await pool.execute(
                "INSERT INTO inbox_attempts (event_id, stream, stream_seq, attempted_at) VALUES ($1, 's', $2, $3)",
                sweeper._first_id(datetime.now(UTC) - age),
                number,
                datetime.now(UTC) - age,
            )
        assert await delete_old_rows(pool) == 1
        assert await pool.fetchval("SELECT stream_seq FROM inbox_attempts") == 0
