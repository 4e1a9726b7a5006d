import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from shutil import rmtree
from typing import Any

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_devstack.bus import provision
from closet_devstack.servers.nats import NatsServer
from closet_devstack.testing import eventually
from closet_messaging import outbox, sweeper
from closet_messaging.publish import publish
from closet_messaging.relay import Relay
from closet_messaging.sweeper import OverdueMonitor, Sweeper, delete_old_rows
from closet_messaging.transaction import OutboxRow, transaction
from nats.aio.client import Client

from .conftest import TENANT, AsService, Crash, House, Outcomes, effect, failed, stored_ids


@pytest.fixture
async def orchestrator(as_service: AsService) -> Client:
    return await as_service(Service.JOB_ORCHESTRATOR)


async def commit(pool: Pool, relay: Any, count: int) -> list[str]:
    async with transaction(pool, relay) as tx:
        return [outbox.add(tx, failed(), tenant=TENANT).id for _ in range(count)]


async def commit_then(pool: Pool, relay: Relay, step: Callable[[], object]) -> None:
    async with transaction(pool, relay) as tx:
        outbox.add(tx, failed(), tenant=TENANT)
        step()


async def sweep(pool: Pool, nc: Client) -> int:
    return await Sweeper(pool, nc, OverdueMonitor(Service.JOB_ORCHESTRATOR, 60)).sweep("job")


async def grow_old(pool: Pool) -> None:
    await pool.execute("UPDATE outbox SET created_at = created_at - interval '1 minute'")


async def unpublished(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"))


async def test_what_a_dead_replica_committed_is_published_by_anothers_sweeper(house: House) -> None:
    billing = await house.open(handlers={JobFailed: effect})
    survivor = await house.open(Service.JOB_ORCHESTRATOR)
    ids = await commit(survivor.pool, Crash(), 3)
    await grow_old(survivor.pool)

    async def handled() -> bool:
        return sorted(await billing.effects()) == sorted(ids) and await unpublished(survivor.pool) == 0

    await eventually(handled)


async def test_a_sweep_leaves_fresh_rows_to_their_own_replica(pool: Pool, orchestrator: Client) -> None:
    await commit(pool, Crash(), 1)
    assert await sweep(pool, orchestrator) == 0
    await grow_old(pool)
    assert await sweep(pool, orchestrator) == 1


async def test_one_sweeper_at_a_time(pool: Pool, orchestrator: Client) -> None:
    await commit(pool, Crash(), 1)
    await grow_old(pool)
    async with pool.acquire() as other, other.transaction():
        assert await other.fetchval(sweeper._TRY_LOCK, "job")
        assert await sweep(pool, orchestrator) == 0
    assert await sweep(pool, orchestrator) == 1


async def test_sweeps_are_in_order_of_creation(pool: Pool, orchestrator: Client, operator: Client) -> None:
    ids = [await commit(pool, Crash(), 2) for _ in range(3)]
    await grow_old(pool)
    await sweep(pool, orchestrator)
    assert await stored_ids(operator) == [event_id for group in ids for event_id in group]


@pytest.mark.parametrize("count", [1, 3, 8, 600])
async def test_the_relay_publishes_in_order_and_marks(
    pool: Pool, orchestrator: Client, operator: Client, count: int
) -> None:
    relay = Relay(pool, orchestrator, Service.JOB_ORCHESTRATOR)
    running = asyncio.create_task(relay.run())
    ids = await commit(pool, relay, count)
    assert await relay.flush(10)
    running.cancel()
    assert await stored_ids(operator) == ids
    assert await unpublished(pool) == 0


async def test_nothing_is_published_for_a_rollback(pool: Pool, orchestrator: Client, operator: Client) -> None:
    relay = Relay(pool, orchestrator, Service.JOB_ORCHESTRATOR)
    running = asyncio.create_task(relay.run())
    with pytest.raises(ZeroDivisionError):
        await commit_then(pool, relay, lambda: 1 // 0)
    await commit(pool, relay, 1)
    assert await relay.flush(10)
    running.cancel()
    assert len(await stored_ids(operator)) == 1


def rows(count: int) -> list[OutboxRow]:
    tx = FakeTx()
    for _ in range(count):
        outbox.add(tx, failed(), tenant=TENANT)  # type: ignore[arg-type]
    return tx.outbox


class FakeTx:
    service = Service.JOB_ORCHESTRATOR

    def __init__(self) -> None:
        self.outbox: list[OutboxRow] = []


async def test_a_batch_with_rows_the_bus_already_holds_falls_back_and_stores_the_others_once(
    orchestrator: Client, operator: Client
) -> None:
    group = rows(20)
    assert await publish(orchestrator, group[5:7]) == group[5:7]
    assert await publish(orchestrator, group) == group
    assert sorted(await stored_ids(operator)) == sorted(row.id for row in group)


async def test_a_stream_that_takes_no_batches_gets_single_messages(orchestrator: Client, operator: Client) -> None:
    js = operator.jetstream()
    config = (await js.stream_info("CLOSET_JOB")).config
    config.allow_atomic = False
    await js.update_stream(config)
    group = rows(20)
    assert await publish(orchestrator, group) == group
    assert sorted(await stored_ids(operator)) == sorted(row.id for row in group)


async def test_a_row_that_the_bus_never_takes_does_not_hold_up_the_others(
    pool: Pool, orchestrator: Client, operator: Client
) -> None:
    relay = Relay(pool, orchestrator, Service.JOB_ORCHESTRATOR)
    running = asyncio.create_task(relay.run())
    relay.enqueue([OutboxRow("018f0000-0000-7000-8000-000000000000", JobFailed.TYPE, b"x" * (2 << 20))])
    ids = await commit(pool, relay, 3)
    for _ in range(3):
        ids += await commit(pool, relay, 3)
        await eventually(lambda: relay.queued <= 1)
    assert await relay.flush(10)
    running.cancel()
    assert await stored_ids(operator) == ids


async def test_what_the_relay_has_no_room_for_is_left_to_the_sweeper(pool: Pool, orchestrator: Client) -> None:
    relay = Relay(pool, orchestrator, Service.JOB_ORCHESTRATOR, capacity=5)
    await commit(pool, relay, 8)
    running = asyncio.create_task(relay.run())
    assert await relay.flush(10)
    running.cancel()
    assert await unpublished(pool) == 3
    await grow_old(pool)
    assert await sweep(pool, orchestrator) == 3


async def test_a_replay_reaches_the_stream_again_and_counts_no_second_time(house: House, outcomes: Outcomes) -> None:
    billing = await house.open(handlers={JobFailed: effect})
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    began = datetime.now(UTC)
    ids = await commit(orchestrator.pool, orchestrator.bus._relay, 2)
    await eventually(lambda: outcomes("handled") == 2)
    assert await orchestrator.bus._relay.flush(10)
    assert await sweeper.replay_outbox(orchestrator.pool, began + timedelta(days=1)) == 0
    assert await sweeper.replay_outbox(orchestrator.pool, began - timedelta(minutes=1)) == 2
    await grow_old(orchestrator.pool)
    await eventually(lambda: outcomes("duplicate") == 2)
    assert sorted(await billing.effects()) == sorted(ids)


async def test_a_replay_takes_each_row_once_however_many_there_are(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    await commit(pool, Crash(), 5)
    await pool.execute("UPDATE outbox SET published_at = now()")
    await commit(pool, Crash(), 1)
    monkeypatch.setattr(sweeper, "REPLAY_ROWS", 2)
    assert await sweeper.replay_outbox(pool, datetime.now(UTC) - timedelta(minutes=5)) == 5
    assert await pool.fetchval("SELECT array_agg(replays ORDER BY id) FROM outbox") == [1, 1, 1, 1, 1, 0]
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL") == 6


async def test_a_bus_that_lost_its_disk_is_fed_again(house: House, nats_server: NatsServer) -> None:
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    ids = await commit(orchestrator.pool, orchestrator.bus._relay, 20)
    assert await orchestrator.bus._relay.flush(10)
    await orchestrator.stop()
    nats_server.kill()
    rmtree(nats_server.folder / "store")
    nats_server.start()
    await provision(nats_server.url())
    again = await house.open(Service.JOB_ORCHESTRATOR)
    billing = await house.open(handlers={JobFailed: effect})
    await sweeper.replay_outbox(again.pool, datetime.now(UTC) - timedelta(minutes=5))
    await grow_old(again.pool)

    async def all_there() -> bool:
        return sorted(await billing.effects()) == sorted(ids)

    await eventually(all_there)


async def test_rows_are_thrown_away_when_nothing_can_ask_for_them_any_more(pool: Pool) -> None:
    now = datetime.now(UTC)
    for age in (timedelta(0), timedelta(hours=23), timedelta(hours=25), timedelta(days=8), timedelta(days=10)):
        event_id = sweeper._first_id(now - age)
        for published in (None, now - age):
            await pool.execute(
                "INSERT INTO outbox (id, subject, payload, created_at, published_at) VALUES ($1, 's', '', $2, $3)",
                event_id if published else sweeper._first_id(now - age - timedelta(seconds=1)),
                now - age,
                published,
            )
        await pool.execute("INSERT INTO inbox VALUES ($1, $2)", event_id, now - age)
    assert await delete_old_rows(pool) == 4
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL") == 5
    assert await pool.fetchval("SELECT min(published_at) FROM outbox") == now - timedelta(hours=23)
    assert await pool.fetchval("SELECT min(handled_at) FROM inbox") == now - timedelta(days=8)


@pytest.mark.parametrize("analyzed", [False, True])
async def test_marking_uses_the_primary_key(pool: Pool, *, analyzed: bool) -> None:
    from closet_messaging.relay import _MARK  # noqa: PLC0415 the statement under test

    await pool.execute("""
        INSERT INTO outbox (id, subject, payload)
        SELECT uuidv7(), 'closet.job.failed.v1', '' FROM generate_series(1, 20000)
    """)
    if analyzed:
        await pool.execute("ANALYZE outbox")
    async with pool.acquire() as conn:
        # What a long-lived prepared statement ends up with.
        await conn.execute("SET plan_cache_mode = force_generic_plan")
        await conn.execute(f"PREPARE mark AS {_MARK}")
        plan = "\n".join(row[0] for row in await conn.fetch("EXPLAIN EXECUTE mark (ARRAY[uuidv7(), uuidv7()])"))
        await conn.execute("RESET ALL; DEALLOCATE mark")
    assert "Seq Scan" not in plan
    assert "outbox_pkey" in plan
