"""A stack starts services, each with no more than its own, and finds everything again."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from closet_contracts.ownership import Service
from closet_devstack.folders import FolderInUse, throw_away
from closet_devstack.process import DidNotStart
from closet_devstack.servers.probes import answers_as
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.testing import eventually

ORCHESTRATOR = Service.JOB_ORCHESTRATOR


async def _is_ready(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
        return response.status == 200


async def test_each_service_gets_no_more_than_its_own(shared_stack: Stack) -> None:
    environments = {service: shared_stack.env_for(service) for service in Service}
    for name in ("CLOSET_DATABASE_URL", "CLOSET_NATS_URL", "CLOSET_HTTP_PORT"):
        assert len({env[name] for env in environments.values()}) == len(Service)

    def knowing(name: str) -> set[Service]:
        return {service for service, env in environments.items() if name in env}

    assert knowing("S3_SECRET_ACCESS_KEY") == {Service.UPLOAD_SIGNER, Service.PERFECT_ADAPTER}
    assert knowing("PERFECT_API_KEY") == {Service.PERFECT_ADAPTER}
    assert knowing("CLOSET_TOKEN_KEY_FILE") == {Service.KIOSK_GATEWAY}


async def test_a_service_cannot_enter_anothers_database(shared_stack: Stack) -> None:
    server, _, _ = shared_stack.env_for(Service.BILLING_METER)["CLOSET_DATABASE_URL"].rpartition("/")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(f"{server}/job_orchestrator")


async def test_what_is_killed_starts_again_where_it_was(stack: Stack) -> None:
    first = await stack.start_service(ORCHESTRATOR)
    second = await stack.start_service(ORCHESTRATOR, replica=1)
    pid, url, nats, postgres = first.pid, first.url, stack.nats.url(), stack.postgres.url()
    assert answers_as(first.admin_url, first.pid)
    assert not answers_as(first.admin_url, second.pid), "who answers is not taken for a child that starts"
    await stack.kill(ORCHESTRATOR)
    assert not first.is_running
    assert not answers_as(first.admin_url, pid)
    assert await _is_ready(second.url)
    await stack.restart("nats")
    await stack.kill("postgres")
    await stack.start("postgres")
    await stack.start(ORCHESTRATOR)
    assert (stack.nats.url(), stack.postgres.url(), first.url) == (nats, postgres, url)
    assert first.pid != pid
    assert await _is_ready(url)
    assert stack.ended() == []
    os.kill(second.pid, signal.SIGKILL)
    await eventually(lambda: stack.ended() == ["job-orchestrator-1 ended with -9"])


async def test_a_service_with_a_wrong_setting_fails_at_once_and_says_why(shared_stack: Stack) -> None:
    with pytest.raises(DidNotStart, match="CLOSET_MAX_JOB_RETRIES"):
        await shared_stack.start_service(ORCHESTRATOR, 7, CLOSET_MAX_JOB_RETRIES="many")


async def test_every_replica_of_the_adapter_is_an_endpoint_of_the_vendors_webhooks(shared_stack: Stack) -> None:
    replicas = [await shared_stack.start_service(Service.PERFECT_ADAPTER, number) for number in range(2)]
    endpoints = (await shared_stack.vendor.change())["webhookUrls"]
    assert endpoints == [f"{replica.url}/webhooks/perfect" for replica in replicas]


async def test_a_second_start_on_the_same_folder_finds_its_data() -> None:
    with throw_away() as home:
        folder = home / "run"
        keys = []
        for count in (1, 2):
            async with Stack(StackOptions(folder, durable=False)) as stack:
                keys.append(await asyncio.to_thread(_token_key, stack))
                connection = await asyncpg.connect(stack.env_for(ORCHESTRATOR)["CLOSET_MIGRATIONS_URL"])
                await connection.execute("CREATE TABLE IF NOT EXISTS kept (x int)")
                await connection.execute("INSERT INTO kept VALUES (1)")
                assert await connection.fetchval("SELECT count(*) FROM kept") == count
                await connection.close()
        assert keys[0] == keys[1]


def _token_key(stack: Stack) -> bytes:
    return Path(stack.env_for(Service.KIOSK_GATEWAY)["CLOSET_TOKEN_KEY_FILE"]).read_bytes()


async def test_two_stacks_cannot_share_a_folder() -> None:
    with throw_away() as folder, pytest.raises(FolderInUse):
        await Stack(StackOptions(folder)).__aenter__()


async def test_one_that_is_cancelled_while_it_starts_leaves_nothing_behind() -> None:
    stack = Stack(StackOptions(durable=False))
    starting = asyncio.create_task(stack.__aenter__())
    await eventually(lambda: hasattr(stack, "perfect"))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not stack.perfect.is_running
    assert not stack.folder.exists()
