"""All that was ever told is told again, twice and in disorder, to services that have handled it: nothing changes."""

import random
from collections.abc import AsyncIterator

import pytest
from closet_client import ClosetClient
from closet_contracts.catalog import STREAMS
from closet_contracts.ownership import Service
from closet_devstack import samples
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import make_tenant
from closet_devstack.testing import eventually

from tests.chaos import snapshot
from tests.chaos.load import load_on
from tests.chaos.operator import Operator, logs_kept, operator_of


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(StackOptions(durable=False, sandbox=["--latency-ms", "50"])) as stack:
        await stack.start_services()
        yield stack


async def test_what_is_published_again_changes_nothing(stack: Stack) -> None:
    tenant = await make_tenant(stack, "again", 1000)
    with logs_kept(stack, "again"):
        async with load_on(stack, tenant) as crowd, operator_of(stack) as operator:
            nobody = await crowd.client.upload(samples.blank_jpeg())
            jobs = [await crowd.ask(f"request-{number}") for number in range(3)]
            jobs.append((await crowd.client.try_on(nobody, crowd.garment)).job_id)
            await _cancel(crowd.client, await crowd.ask("regretted"))
            ends = [(await crowd.client.wait(job_id)).status for job_id in jobs]
            assert ends == ["completed", "completed", "completed", "failed"]
            await eventually(operator.at_rest, timeout=30)
            await eventually(lambda: _capacity_is_told(operator), timeout=60)
            found = await eventually(operator.at_rest, timeout=30)  # with the last that was told of capacity
            before, calls = await operator.everything(), await stack.vendor.stats()

            told = await _tell_everything_again(operator, random.Random(1))

            assert told == 2 * len(found.events) > 100
            await eventually(operator.at_rest, timeout=30)
            assert await operator.everything() == before
            assert await stack.vendor.stats() == calls
            assert await operator.letters() == []
            assert snapshot.contradictions(found) == []


async def _capacity_is_told(operator: Operator) -> bool:
    """Whether perfect-adapter, which looks every two seconds, has told all there is about an idle vendor."""
    told: bool = await operator.pools[Service.PERFECT_ADAPTER].fetchval(
        """
        SELECT told_at < now() - interval '6 s'
            AND (SELECT max(ended_at) FROM renders) < now() - interval '6 s' FROM room
        """
    )
    return told


async def _cancel(client: ClosetClient, job_id: str) -> None:
    await client.cancel(job_id)
    await client.wait(job_id)


async def _tell_everything_again(operator: Operator, dice: random.Random) -> int:
    """Publish each event of each stream twice more, under fresh message ids; returns how many that were."""
    messages = 2 * [message for stream in STREAMS for message in await operator.messages(stream)]
    dice.shuffle(messages)
    for message in messages:
        await operator.publish(message.subject, message.data)
    return len(messages)
