"""A message that cannot be handled costs only itself, and can be replayed once the cause is mended."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from closet_chassis.postgres import Pool
from closet_contracts.ownership import Service
from closet_contracts.upload import UploadReady
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import make_tenant
from closet_devstack.testing import eventually
from closet_messaging.retries import BACKOFF_S

from tests.chaos import snapshot
from tests.chaos.load import Load, load_on
from tests.chaos.operator import logs_kept, operator_of

ACCEPTED = "closet.job.accepted.v1"
READERS = {Service.UPLOAD_SIGNER, Service.BILLING_METER, Service.KIOSK_GATEWAY}
UNREADABLE = (
    b"\xff\xfe no JSON at all",
    b'["no", "event"]',
    json.dumps({"specversion": "1.0", "id": "1", "type": ACCEPTED, "data": {}}).encode(),
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Nothing in a stack is tied to an event loop: both tests use it, each from its own."""
    stack = asyncio.run(_started())
    yield stack
    asyncio.run(stack.__aexit__(None, None, None))


async def _started() -> Stack:
    stack = await Stack(StackOptions(durable=False, sandbox=["--latency-ms", "20", "--fixed-result"])).__aenter__()
    await stack.start_services()
    await stack.start_service(Service.UPLOAD_SIGNER, replica=1)
    return stack


async def test_what_cannot_be_read_is_a_dead_letter_at_once(stack: Stack) -> None:
    tenant = await make_tenant(stack, "unreadable", 1000)
    with logs_kept(stack, "unreadable"):
        async with load_on(stack, tenant) as crowd, operator_of(stack) as operator:
            jobs = []
            for number, poison in enumerate(UNREADABLE):
                jobs.append(await crowd.ask(f"before-{number}"))
                await operator.publish(ACCEPTED, poison)
                jobs.append(await crowd.ask(f"after-{number}"))

            assert await _ends(crowd, jobs) == {"completed"}
            found = await eventually(operator.at_rest, timeout=30)
            assert snapshot.contradictions(found) == []
            letters = [stored.dead_letter for stored in await operator.letters()]
            assert {(letter.service, letter.payload) for letter in letters} == {
                (service, poison) for service in READERS for poison in UNREADABLE
            }
            assert {(letter.subject, letter.stream, letter.deliveries) for letter in letters} == {
                (ACCEPTED, "CLOSET_JOB", 1)
            }
            assert all(
                letter.error.startswith("MalformedEvent") and letter.headers["Nats-Msg-Id"] for letter in letters
            )

            listed = json.loads(await operator.ops("dlq", "ls", "--json"))["dead_letters"]
            await operator.ops("dlq", "discard", "--yes", *(str(letter["number"]) for letter in listed))
            assert await operator.letters() == []


@pytest.mark.timeout(240)
async def test_what_fails_is_handled_once_when_its_cause_is_mended(stack: Stack) -> None:
    tenant = await make_tenant(stack, "failing", 1000)
    with logs_kept(stack, "failing"):
        async with load_on(stack, tenant) as victim, load_on(stack, tenant) as others, operator_of(stack) as operator:
            await _ends(victim, [await victim.ask("first")])  # from here on its photo is known as ready
            async with _planted(operator.pools[Service.UPLOAD_SIGNER], victim.person.upload_id):
                poisoned = await victim.ask("poisoned")
                around = [await others.ask(f"around-{number}") for number in range(5)]
                assert await _ends(others, around) == {"completed"}
                # Meanwhile it is delivered again and again, later each time.
                (stored,) = await eventually(operator.letters, timeout=sum(BACKOFF_S) + 30)

            number, letter = stored.sequence, stored.dead_letter
            assert (letter.service, letter.subject, letter.stream) == (Service.UPLOAD_SIGNER, ACCEPTED, "CLOSET_JOB")
            assert (letter.event_type, letter.handler) == (ACCEPTED, "check_inputs")
            assert letter.deliveries == len(BACKOFF_S) + 1
            assert letter.error.startswith("ValidationError")
            assert json.loads(letter.payload)["data"]["jobId"] == poisoned
            assert letter.headers["Nats-Msg-Id"] == letter.event_id
            assert (await victim.client.job(poisoned)).status == "queued"

            await operator.ops("dlq", "replay", str(number))

            assert await _ends(victim, [poisoned]) == {"completed"}
            found = await eventually(operator.at_rest, timeout=30)
            assert snapshot.contradictions(found) == []
            ready = [event for event in found.about(poisoned) if isinstance(event.data, UploadReady)]
            assert len(ready) == 2
            assert await operator.replayed_to() == {Service.UPLOAD_SIGNER: 1}
            assert await operator.letters() == []


async def _ends(crowd: Load, jobs: list[str]) -> set[str]:
    return {job.status for job in await asyncio.gather(*(crowd.client.wait(job_id) for job_id in jobs))}


@asynccontextmanager
async def _planted(pool: Pool, upload_id: str) -> AsyncIterator[None]:
    """While the block runs, what the service knows of that upload is nonsense."""
    good = await pool.fetchval("SELECT asset FROM uploads WHERE upload_id = $1", upload_id)
    plant = "UPDATE uploads SET asset = $2 WHERE upload_id = $1"
    await pool.execute(plant, upload_id, {"key": "nonsense"})
    try:
        yield
    finally:
        await pool.execute(plant, upload_id, good)
