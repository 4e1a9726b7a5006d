"""A database that was restored from a backup: it is noticed, and brought up to the bus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from closet_chassis.postgres import Pool, close_pool, create_pool
from closet_contracts.catalog import model_of, subscriptions_of
from closet_contracts.credit import CreditReleased
from closet_contracts.envelope import Event, EventData
from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_devstack.testing import eventually
from closet_messaging import outbox, sweeper
from closet_messaging.connection import operator_connection
from closet_messaging.inbox import Handler
from closet_messaging.outbox import DatabaseBehindBus, verify_database_is_current
from closet_messaging.transaction import Tx
from closet_recovery.recovery import CannotRecover, Plan, Report, recover

from .conftest import TENANT, House, Replica, effect, failed, ignore, released

JOBS = 4
BILLING = Service.BILLING_METER


async def release(tx: Tx, event: Event[JobFailed]) -> None:
    await effect(tx, event)
    outbox.add(tx, released(event.data.job_id), tenant=TENANT, cause=event)


async def fail_jobs(orchestrator: Replica, billing: Replica, count: int) -> None:
    """So many jobs fail, and their credits are released."""
    async with orchestrator.bus.transaction() as tx:
        for _ in range(count):
            outbox.add(tx, failed(), tenant=TENANT)

    async def done() -> bool:
        rows = await billing.pool.fetch("SELECT published_at FROM outbox")
        return len(rows) == count and all(row["published_at"] for row in rows)

    await eventually(done)


@asynccontextmanager
async def restored(house: House) -> AsyncIterator[Pool]:
    """The database of a service that handled `JOBS` events as it was before the first."""
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    billing = await house.open(BILLING, {JobFailed: release})
    await fail_jobs(orchestrator, billing, JOBS)
    await billing.stop()
    house.replicas.remove(billing)
    del house.databases[BILLING]
    pool = await create_pool(await house.database(BILLING), 1)
    yield pool
    await close_pool(pool)


def plan(handler: Handler, facts: dict[type[EventData], Handler] | None = None) -> Plan:
    wanted = {model_of(name): ignore for _, types in subscriptions_of(BILLING) for name in types}
    return Plan(BILLING, {**wanted, JobFailed: handler}, facts or {})


async def catch_up(
    house: House, pool: Pool, how: Plan, since: datetime | None = None, *, leave_failed: bool = False
) -> Report:
    async with operator_connection(house.nats_url("operator")) as nc:
        return await recover(nc.jetstream(), pool, how, since or datetime.now(UTC), leave_failed=leave_failed)


async def test_a_service_whose_database_was_set_back_does_not_start(house: House) -> None:
    async with restored(house):
        with pytest.raises(DatabaseBehindBus, match="python -m billing_meter recover --since"):
            await house.open(BILLING, {JobFailed: release})


async def test_a_service_whose_old_rows_were_cleaned_away_starts(house: House) -> None:
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    billing = await house.open(BILLING, {JobFailed: release})
    await fail_jobs(orchestrator, billing, JOBS)
    await billing.pool.execute("UPDATE outbox SET published_at = now() - interval '2 days'")
    # As `clean` does, whose rows have older ids.
    await billing.pool.execute("DELETE FROM outbox WHERE published_at < now() - $1::interval", sweeper.KEEP_PUBLISHED)
    assert await billing.pool.fetchval("SELECT count(*) FROM outbox") == 0
    await house.open(BILLING, {JobFailed: release})


async def test_recovery_takes_everything_once_and_tells_nothing_anew(house: House) -> None:
    told: list[str] = []

    async def remember(_tx: Tx, event: Event[CreditReleased]) -> None:
        told.append(event.id)

    async with restored(house) as pool:
        report = await catch_up(house, pool, plan(release, {CreditReleased: remember}))
        assert (report.handled, report.restored, report.failed) == (JOBS, JOBS, {})
        rows = await pool.fetch("SELECT id::text, published_at FROM outbox")
        assert {row["id"] for row in rows} == set(told)
        assert all(row["published_at"] for row in rows)
        assert await pool.fetchval("SELECT count(*) FROM effects") == JOBS
        again = await catch_up(house, pool, plan(release))
        assert (again.handled, again.restored, again.known) == (0, 0, 2 * JOBS)
        await house.open(BILLING, {JobFailed: release})


async def test_a_recovery_that_did_not_finish_goes_on_where_it_was(house: House) -> None:
    seen: list[Any] = []

    async def stumble(tx: Tx, event: Event[JobFailed]) -> None:
        seen.append(event.id)
        if len(set(seen)) == JOBS:
            raise RuntimeError("not this one")
        await release(tx, event)

    async with restored(house) as pool:
        report = await catch_up(house, pool, plan(stumble))
        assert list(report.failed.values()) == ["closet.job.failed.v1: RuntimeError: not this one"]
        async with operator_connection(house.nats_url("operator")) as nc:
            with pytest.raises(DatabaseBehindBus, match="is not finished"):
                await verify_database_is_current(nc.jetstream(), pool, BILLING)
        report = await catch_up(house, pool, plan(release))
        assert (report.handled, report.failed) == (1, {})
        assert await pool.fetchval("SELECT count(*) FROM effects") == JOBS
        await house.open(BILLING, {JobFailed: release})


async def test_what_cannot_be_taken_may_be_left(house: House) -> None:
    """The service starts without it, and what it had told of it counts as told."""

    async def stumble(_tx: Tx, _event: Event[JobFailed]) -> None:
        raise RuntimeError("none of them")

    async with restored(house) as pool:
        report = await catch_up(house, pool, plan(stumble), leave_failed=True)
        assert (len(report.failed), report.handled) == (JOBS, 0)
        await house.open(BILLING, {JobFailed: release})
        assert await pool.fetchval("SELECT count(*) FROM effects") == 0


async def test_what_led_to_an_effect_is_handled_in_the_order_of_effects(house: House) -> None:
    """Of two jobs the second was handled first: it is again, though the stream has it second."""
    orchestrator = await house.open(Service.JOB_ORCHESTRATOR)
    billing = await house.open(BILLING, {JobFailed: effect})
    events: list[Event[Any]] = []
    for _ in range(2):
        async with orchestrator.bus.transaction() as tx:
            events.append(outbox.add(tx, failed(), tenant=TENANT))

    async def delivered() -> bool:
        return len(await billing.effects()) == len(events)

    await eventually(delivered)
    for event in reversed(events):
        async with billing.bus.transaction() as tx:
            outbox.add(tx, released(event.data.job_id), tenant=TENANT, cause=event)
        assert await billing.bus._relay.flush(5)
    await billing.stop()
    house.replicas.remove(billing)
    del house.databases[BILLING]
    pool = await create_pool(await house.database(BILLING), 1)
    await catch_up(house, pool, plan(effect))
    handled = [str(row[0]) for row in await pool.fetch("SELECT event_id FROM effects ORDER BY seq")]
    await close_pool(pool)
    assert handled == [event.id for event in reversed(events)]


@pytest.mark.parametrize("since", [timedelta(days=-7), timedelta(hours=2)], ids=["not kept", "later than all rows"])
async def test_a_moment_that_cannot_be_right_is_refused(house: House, since: timedelta) -> None:
    async with restored(house) as pool:
        await pool.execute("INSERT INTO inbox (event_id) VALUES (gen_random_uuid())")
        with pytest.raises(CannotRecover):
            await catch_up(house, pool, plan(release), datetime.now(UTC) + since)
        assert await pool.fetchval("SELECT count(*) FROM recovery") == 0


async def test_a_database_in_use_is_refused(house: House) -> None:
    billing = await house.open(BILLING, {JobFailed: release})
    pool = await create_pool(await house.database(BILLING), 1)
    try:
        with pytest.raises(CannotRecover, match="stop all replicas"):
            await catch_up(house, pool, plan(release))
    finally:
        await close_pool(pool)
    await billing.stop()
    house.replicas.remove(billing)
