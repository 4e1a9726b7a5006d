"""The commands that make the bus, and those of a service's outbox."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from closet_chassis.postgres import close_pool, create_pool
from closet_contracts.ids import new_id
from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_devstack.commands import run_command
from closet_devstack.servers.nats import NatsServer
from closet_messaging import outbox
from closet_messaging.connection import connect, drain
from closet_messaging.relay import Relay
from closet_messaging.transaction import transaction

SINCE = "2026-05-01T12:00:00+00:00"
FAILED = JobFailed(job_id=new_id("job"), user_id="u-1", version=1, code="unsafe", message="No.", attempts=1)


async def test_provision_creates_the_streams_once(bare_nats_server: NatsServer) -> None:
    first, second = [
        await run_command("closet_operator", "provision", CLOSET_NATS_URL=bare_nats_server.url()) for _ in "12"
    ]
    assert (first.code, "created CLOSET_JOB\n" in first.out) == (0, True)
    assert (second.code, second.out) == (0, "")


async def test_permissions_are_printed_without_a_bus() -> None:
    ran = await run_command("closet_operator", "permissions")
    assert (ran.code, 'user: "billing-meter"' in ran.out) == (0, True)


async def test_an_outbox_is_shown_and_published_again(
    make_database: Callable[..., Awaitable[str]], nats_url: Callable[[str], str]
) -> None:
    url = await make_database("closet_messaging")
    pool, nc = await create_pool(url, 2), await connect(nats_url("job-orchestrator"), Service.JOB_ORCHESTRATOR)
    try:
        relay = Relay(pool, nc, Service.JOB_ORCHESTRATOR)
        async with transaction(pool, relay) as tx:
            outbox.add(tx, FAILED, tenant="acme")
        await pool.execute("UPDATE outbox SET created_at = created_at - interval '1 h'")
        shown, described = [
            await run_command("closet_operator", "outbox", "show", *options, CLOSET_DATABASE_URL=url)
            for options in ([], ["--json"])
        ]
        assert shown.out.startswith("closet.job.>: 1 events are overdue, the oldest has waited 36")
        assert described.json["job"]["count"] == 1
        running = asyncio.create_task(relay.run())
        assert await relay.flush(30)
        running.cancel()
        since = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
        replayed = await run_command("closet_operator", "outbox", "replay", "--since", since, CLOSET_DATABASE_URL=url)
        assert (replayed.code, replayed.out) == (0, "1 events will be published again\n")
        assert await pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL AND replays = 1") == 1
    finally:
        await drain(nc)
        await close_pool(pool)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["outbox", "replay", "--since", "2026-05-01T12:00:00"], "offset from UTC"),
        (["outbox", "replay", "--since", "yesterday"], "not ISO 8601"),
        (["outbox", "replay", "--since", SINCE], "CLOSET_DATABASE_URL"),
        (["outbox", "show"], "CLOSET_DATABASE_URL"),
        (["provision"], "CLOSET_NATS_URL"),
        (["provision", "--replicas", "0"], "--replicas"),
        (["dlq", "show", "0"], "NUMBER"),
    ],
)
async def test_wrong_use_is_told_apart_from_failure(arguments: list[str], sentence: str) -> None:
    ran = await run_command("closet_operator", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in " ".join(ran.err.split())


async def test_a_database_that_does_not_answer_is_a_sentence() -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    ran = await run_command("closet_operator", "outbox", "show", CLOSET_DATABASE_URL=url)
    assert (ran.code, ran.out) == (1, "")
    assert "the database does not answer" in ran.err
    assert "Traceback" not in ran.err
