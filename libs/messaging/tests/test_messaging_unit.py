from collections.abc import Sequence

import asyncpg
import pytest
from closet_chassis.postgres import Pool
from closet_contracts.ids import new_id
from closet_contracts.ownership import Service
from closet_messaging import outbox
from closet_messaging.outbox import EventTooLarge, ForeignEvent
from closet_messaging.transaction import OutboxRow, Tx, transaction

from .conftest import TENANT, failed, released


class Recorder:
    """Takes what a relay would."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []

    service = Service.JOB_ORCHESTRATOR

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        self.rows += rows


@pytest.fixture
async def table(pool: Pool, owner: Pool) -> Pool:
    await owner.execute("""
        CREATE TABLE entries (seq bigserial PRIMARY KEY, name text UNIQUE);
        CREATE TABLE owners (name text PRIMARY KEY REFERENCES entries (name));
        GRANT ALL ON entries, entries_seq_seq, owners TO PUBLIC;
    """)
    return pool


ENTRY = "INSERT INTO entries (name) VALUES ($1)"
OWNER = "INSERT INTO owners (name) VALUES ($1)"


async def test_deferred_writes_wait_for_the_end_and_keep_the_order_of_their_statements(table: Pool) -> None:
    async with transaction(table, Recorder()) as tx:
        tx.defer(ENTRY, "a")
        tx.defer(OWNER, "a")  # refers to the entry
        tx.defer(ENTRY, "b")
        tx.defer(OWNER, "b")
        assert await tx.conn.fetchval("SELECT count(*) FROM entries") == 0
    assert [row[0] for row in await table.fetch("SELECT name FROM entries ORDER BY seq")] == ["a", "b"]
    assert await table.fetchval("SELECT count(*) FROM owners") == 2


async def test_hooks_run_once_after_the_commit(table: Pool) -> None:
    calls: list[str] = []

    def hook() -> None:
        calls.append("hook")

    async with transaction(table, Recorder()) as tx:
        tx.after_commit(hook)
        tx.after_commit(hook)
        assert calls == []
    assert calls == ["hook"]


async def test_a_step_before_the_commit_may_still_emit_and_only_the_last_of_its_key_runs(table: Pool) -> None:
    relay = Recorder()

    def tell(tx: Tx, version: int) -> None:
        outbox.add(tx, failed(version=version), tenant=TENANT)

    async with transaction(table, relay) as tx:
        tx.before_commit("balance", lambda: tell(tx, 1))
        tx.before_commit("balance", lambda: tell(tx, 2))
    assert [b'"version":2' in row.payload for row in relay.rows] == [True]


async def test_a_refused_commit_publishes_nothing_and_runs_no_hook(table: Pool) -> None:
    relay, calls = Recorder(), list[str]()

    async def twice_the_same() -> None:
        async with transaction(table, relay) as tx:
            outbox.add(tx, failed(), tenant=TENANT)
            tx.after_commit(lambda: calls.append("hook"))
            tx.defer(ENTRY, "a")
            tx.defer(ENTRY, "a")

    with pytest.raises(asyncpg.UniqueViolationError):
        await twice_the_same()
    assert (relay.rows, calls) == ([], [])
    assert await table.fetchval("SELECT count(*) FROM outbox") == 0


async def test_outbox_rows_are_stored_with_the_commit_and_offered_after_it(table: Pool) -> None:
    relay = Recorder()
    async with transaction(table, relay) as tx:
        events = [outbox.add(tx, failed(), tenant=TENANT) for _ in range(3)]
        assert relay.rows == []
    assert [row.id for row in relay.rows] == [event.id for event in events]
    assert await table.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL") == 3


async def test_an_event_that_the_bus_would_never_take_is_refused_where_it_is_made(table: Pool) -> None:
    relay = Recorder()

    async def emit() -> None:
        async with transaction(table, relay) as tx:
            outbox.add(tx, failed().model_copy(update={"message": "x" * outbox.MAX_BYTES}), tenant=TENANT)

    with pytest.raises(EventTooLarge):
        await emit()
    assert await table.fetchval("SELECT count(*) FROM outbox") == 0


async def test_an_event_that_is_anothers_to_say_is_refused_where_it_is_made(table: Pool) -> None:
    async def emit() -> None:
        async with transaction(table, Recorder()) as tx:
            outbox.add(tx, released(new_id("job")), tenant=TENANT)

    with pytest.raises(ForeignEvent, match="belongs to billing-meter, not to job-orchestrator"):
        await emit()
    assert await table.fetchval("SELECT count(*) FROM outbox") == 0
