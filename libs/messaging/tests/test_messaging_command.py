import asyncio
import sys
from datetime import UTC, datetime, timedelta

from closet_chassis.postgres import Pool
from closet_contracts.ownership import Service
from closet_devstack.servers.nats import NatsServer
from closet_messaging import outbox
from closet_messaging.relay import Relay
from closet_messaging.transaction import transaction

from .conftest import TENANT, AsService, House, failed


async def run(*arguments: str) -> tuple[int | None, str]:
    command = [sys.executable, "-m", "closet_messaging", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-2, env={})
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_provision_makes_the_streams(bare_nats_server: NatsServer) -> None:
    code, output = await run("provision", "--url", bare_nats_server.url())
    assert (code, "created CLOSET_JOB\n" in output) == (0, True)
    assert await run("provision", "--url", bare_nats_server.url()) == (0, "")


async def test_permissions_prints_the_users() -> None:
    code, output = await run("permissions")
    assert (code, 'user: "billing-meter"' in output) == (0, True)


async def test_replay_outbox_marks_what_was_published_since(house: House, pool: Pool, as_service: AsService) -> None:
    relay = Relay(pool, await as_service(Service.JOB_ORCHESTRATOR), Service.JOB_ORCHESTRATOR)
    running = asyncio.create_task(relay.run())
    async with transaction(pool, relay) as tx:
        outbox.add(tx, failed(), tenant=TENANT)
    assert await relay.flush(10)
    running.cancel()
    url = await house.database(Service.JOB_ORCHESTRATOR)
    since = datetime.now(UTC) - timedelta(minutes=5)
    code, output = await run("replay-outbox", "--url", url, "--since", since.isoformat())
    assert (code, output) == (0, "1 events will be published again\n")
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL AND replays = 1") == 1


async def test_a_moment_without_offset_is_refused() -> None:
    code, output = await run("replay-outbox", "--url", "postgresql://x", "--since", "2026-05-01T12:00:00")
    assert (code, "offset from UTC" in output) == (2, True)


async def test_a_command_without_a_url_says_so() -> None:
    assert (await run("provision"))[0] == 2
