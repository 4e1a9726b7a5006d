"""A stream that takes nothing, because it refuses or does not answer, holds up no other and loses nothing itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.generation import GenerationCancelRequested
from closet_contracts.ids import new_id
from closet_contracts.ownership import Service
from closet_contracts.person import PersonConsentGiven
from closet_devstack.testing import eventually
from closet_messaging import outbox, sweeper
from closet_messaging import publish as publishing
from closet_messaging.publish import GROUP
from closet_messaging.relay import Relay
from closet_messaging.sweeper import OverdueMonitor, Sweeper
from closet_messaging.transaction import transaction
from nats.aio.client import Client
from nats.js.api import DiscardPolicy
from prometheus_client import REGISTRY

from .conftest import TENANT, AsService, Crash, House, stored_ids

GATEWAY = Service.KIOSK_GATEWAY
DEAF, OTHER = "CLOSET_GENERATION", "CLOSET_PERSON"


@pytest.fixture
async def gateway(as_service: AsService) -> Client:
    return await as_service(GATEWAY)


@pytest.fixture
async def pool(house: House) -> AsyncIterator[Pool]:
    async with house.pool(GATEWAY) as pool:
        yield pool


@asynccontextmanager
async def refusing(operator: Client) -> AsyncIterator[None]:
    """It is full, and says so."""
    js = operator.jetstream()
    config = (await js.stream_info(DEAF)).config
    await js.update_stream(config.evolve(max_bytes=1, discard=DiscardPolicy.NEW))
    yield
    await js.update_stream(config)


@asynccontextmanager
async def silent(operator: Client) -> AsyncIterator[None]:
    """What is published to it arrives and is never answered, as on a server that could not write."""
    js = operator.jetstream()
    config = (await js.stream_info(DEAF)).config
    await js.delete_stream(DEAF)
    nobody = await operator.subscribe(f"{'.'.join(DEAF.lower().split('_'))}.>")
    yield
    await nobody.unsubscribe()
    await js.add_stream(config)


@asynccontextmanager
async def missing(operator: Client) -> AsyncIterator[None]:
    js = operator.jetstream()
    config = (await js.stream_info(DEAF)).config
    await js.delete_stream(DEAF)
    yield
    await js.add_stream(config)


Ailment = Callable[[Client], Any]
AILMENTS = pytest.mark.parametrize("ailment", [refusing, silent, missing])


async def commit(pool: Pool, relay: Any, count: int) -> tuple[list[str], list[str]]:
    """So many events to each stream, in turns; their ids."""
    deaf, other = [], []
    async with transaction(pool, relay) as tx:
        for _ in range(count):
            asked = GenerationCancelRequested(job_id=new_id("job"), user_id="u-1")
            given = PersonConsentGiven(user_id="u-1", consent_version="v2.0", given_at=datetime.now(UTC))
            deaf.append(outbox.add(tx, asked, tenant=TENANT).id)
            other.append(outbox.add(tx, given, tenant=TENANT).id)
    return deaf, other


async def unpublished(pool: Pool) -> list[str]:
    return [row[0] for row in await pool.fetch("SELECT id::text FROM outbox WHERE published_at IS NULL ORDER BY id")]


def all_published(pool: Pool, *, but: list[str]) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await unpublished(pool) == but

    return check


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "TIMEOUT_S", 0.5)


@AILMENTS
@pytest.mark.parametrize("count", [2, 20])
async def test_a_relay_publishes_to_the_others_and_in_order_to_the_deaf_one_when_it_hears(
    pool: Pool, gateway: Client, operator: Client, ailment: Ailment, count: int
) -> None:
    relay = Relay(pool, gateway, GATEWAY)
    running = asyncio.create_task(relay.run())
    deaf: list[str] = []
    other: list[str] = []
    async with ailment(operator):
        for _ in range(4):
            more_deaf, more_other = await commit(pool, relay, count)
            deaf, other = deaf + more_deaf, other + more_other
            await eventually(all_published(pool, but=deaf))
        assert await stored_ids(operator, OTHER) == other
        assert relay.queued == len(deaf)
    assert await relay.flush(10)
    running.cancel()
    assert await stored_ids(operator, DEAF) == deaf
    assert await stored_ids(operator, OTHER) == other
    assert await unpublished(pool) == []


async def test_a_stream_that_does_not_answer_is_waited_for_by_nobody(
    pool: Pool, gateway: Client, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "TIMEOUT_S", 100.0)
    relay = Relay(pool, gateway, GATEWAY)
    running = asyncio.create_task(relay.run())
    async with silent(operator):
        first, _ = await commit(pool, relay, 1)
        await eventually(all_published(pool, but=first))
        second, _ = await commit(pool, relay, 1)
        await eventually(all_published(pool, but=first + second))
    running.cancel()


@AILMENTS
async def test_a_sweeper_publishes_to_the_others_and_in_order_to_the_deaf_one_when_it_hears(
    pool: Pool, gateway: Client, operator: Client, monkeypatch: pytest.MonkeyPatch, ailment: Ailment
) -> None:
    monkeypatch.setattr(sweeper, "EVERY_S", 0.05)
    deaf, other = await commit(pool, Crash(GATEWAY), GROUP + 10)
    await pool.execute("UPDATE outbox SET created_at = created_at - interval '1 minute'")
    sweeping = asyncio.create_task(Sweeper(pool, gateway, OverdueMonitor(GATEWAY, 60)).run())
    async with ailment(operator):
        await eventually(all_published(pool, but=deaf))
    await eventually(all_published(pool, but=[]))
    sweeping.cancel()
    assert await stored_ids(operator, DEAF) == deaf
    assert await stored_ids(operator, OTHER) == other


class Counting:
    """A pool that counts the statements that a relay runs."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.statements = 0

    async def execute(self, *arguments: Any) -> str:
        self.statements += 1
        return await self._pool.execute(*arguments)


@pytest.mark.parametrize("count", [5, 20])
async def test_two_streams_cost_one_statement_and_a_message_an_event(
    pool: Pool, gateway: Client, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("closet_messaging.relay.MARK_EVERY_S", 1.0)  # longer than the slower stream takes
    counting: Any = Counting(pool)
    relay = Relay(counting, gateway, GATEWAY)
    await commit(pool, relay, count)
    said = gateway.stats["out_msgs"]
    running = asyncio.create_task(relay.run())
    assert await relay.flush(10)
    running.cancel()
    assert counting.statements == 1
    assert gateway.stats["out_msgs"] - said == 2 * count
    assert await unpublished(pool) == []


async def test_a_stream_in_trouble_is_tried_with_one_event_at_a_time(
    pool: Pool, gateway: Client, operator: Client
) -> None:
    relay = Relay(pool, gateway, GATEWAY)
    async with refusing(operator):
        deaf, _ = await commit(pool, relay, GROUP)
        running = asyncio.create_task(relay.run())
        await eventually(all_published(pool, but=deaf))
        said = gateway.stats["out_msgs"]
        failures = relay._publishers["generation"]
        began = failures._failures
        await eventually(lambda: failures._failures >= began + 2)
        assert gateway.stats["out_msgs"] - said <= 4
    running.cancel()


async def test_an_operator_sees_which_stream_is_stalled_and_since_when(
    house: House, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "EVERY_S", 0.05)
    replica = await house.open(GATEWAY)

    async def stalled() -> bool:
        return not (await replica.process.readiness.report()).ready

    def oldest(stream: str) -> float:
        return REGISTRY.get_sample_value("closet_outbox_oldest_seconds", {"stream": stream}) or 0.0

    async with refusing(operator):
        deaf, _ = await commit(replica.pool, replica.bus._relay, 1)
        await eventually(all_published(replica.pool, but=deaf))
        await replica.pool.execute("UPDATE outbox SET created_at = created_at - interval '30 seconds'")
        await eventually(lambda: 30 <= oldest(DEAF) < 60)
        assert not await stalled()  # it may take a while yet
        await replica.pool.execute("UPDATE outbox SET created_at = created_at - interval '60 seconds'")
        await eventually(stalled)
        report = await replica.process.readiness.report()
        assert {name for name, detail in report.checks.items() if detail} == {"outbox"}
        assert str(report.checks["outbox"]).startswith(f"{DEAF}: the oldest event has waited 9")
        assert oldest(OTHER) == 0
        assert replica.bus.overdue.is_stalled

    async def ready_again() -> bool:
        return not await stalled()

    await eventually(ready_again)
    assert oldest(DEAF) == 0
    assert len(await stored_ids(operator, DEAF)) == 1
    assert not replica.crashed


async def test_what_is_published_anew_is_not_taken_for_late(pool: Pool) -> None:
    overdue = OverdueMonitor(GATEWAY, 60)
    await commit(pool, Crash(GATEWAY), 1)
    await pool.execute("UPDATE outbox SET created_at = now() - interval '1 hour', published_at = now()")
    assert await sweeper.replay_outbox(pool, datetime.fromtimestamp(0, UTC)) == 2
    assert sorted(await overdue.measure(pool)) == ["generation", "person"]
    assert not overdue.is_stalled
    assert await overdue.check() is None
