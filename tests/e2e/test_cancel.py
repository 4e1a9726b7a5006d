"""What was begun is paid, what was not is not, and every job can be given up."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
import pytest_asyncio
from closet_client import ApiProblem, ClosetClient, UploadTicket, items
from closet_contracts.ownership import Service
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.shop import Shop, settled, upload_samples
from closet_devstack.stack import Stack
from closet_devstack.testing import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeShop = Callable[[int], Awaitable[Shop]]
PRICE = 5


@pytest_asyncio.fixture(loop_scope="session")
async def slow_vendor(stack: Stack) -> AsyncIterator[Remote]:
    """Every task takes a minute."""
    await stack.vendor.change(latency_ms=60_000)
    yield stack.vendor
    await stack.vendor.change(latency_ms=200)


async def begin(client: ClosetClient, person: UploadTicket, garment: UploadTicket) -> str:
    """A job that the vendor works on, as its owner sees."""
    job_id = (await client.try_on(person, garment)).job_id

    async def is_at_vendor() -> bool:
        return (await client.job(job_id)).status == "processing"

    await eventually(is_at_vendor, timeout=30)
    return job_id


async def test_ten_credits_are_two_tasks_however_often_they_are_cancelled(
    slow_vendor: Remote, make_shop: MakeShop
) -> None:
    shop = await make_shop(2 * PRICE)
    before = (await slow_vendor.stats())["tasksCreated"]
    async with shop.shopper() as client:
        await client.give_consent()
        person, garment = await upload_samples(client)
        for left in (PRICE, 0):
            job = await client.cancel(await begin(client, person, garment))
            assert (job.status, job.credits_charged) == ("cancelled", PRICE)
            assert job.error_message == "You cancelled this picture. 5 credits are charged for what had been begun."
            await shop.shows(left)
        with pytest.raises(ApiProblem) as refused:
            await client.try_on(person, garment)
    assert refused.value.code == "insufficient_credits"
    assert (await slow_vendor.stats())["tasksCreated"] - before == 2
    await shop.rests_at(0)


@pytest_asyncio.fixture(loop_scope="session")
async def poison(stack: Stack) -> AsyncIterator[str]:
    """A prompt that job-orchestrator cannot handle: the job's first event dies."""
    prompt = "a poisoned dress"
    owner = stack.env_for(Service.JOB_ORCHESTRATOR)["CLOSET_MIGRATIONS_URL"]
    async with asyncpg.create_pool(owner, min_size=1, max_size=1) as pool:
        await pool.execute(
            f"ALTER TABLE jobs ADD CONSTRAINT poison CHECK (request #>> '{{work,prompt}}' IS DISTINCT FROM '{prompt}')"
        )
        yield prompt
        await pool.execute("ALTER TABLE jobs DROP CONSTRAINT poison")


async def test_a_job_whose_request_nobody_can_handle_is_cancelled_and_costs_nothing(shop: Shop, poison: str) -> None:
    async with shop.shopper() as client:
        job = await client.cancel((await client.text_to_image(poison)).job_id)
        assert (job.status, job.credits_charged) == ("cancelled", 0)
        assert job.error_message == "You cancelled this picture. Nothing is charged."
    await shop.rests_at(100)


async def test_a_batch_with_one_bad_input_is_made_without_that_item(shop: Shop, client: ClosetClient) -> None:
    person, garment = await upload_samples(client)
    broken = await client.upload(b"no picture at all", content_type="image/png")
    created = await client.batch([items.try_on(person, garment), items.try_on(person, broken)])
    job = await settled(client, created.job_id)
    assert (job.status, job.credits_charged) == ("completed", 2)
    (failure,) = job.failures
    assert (failure.item, failure.code) == (1, "not_a_picture")
    assert failure.message.startswith("Item 1, garment: ")
    await shop.rests_at(98)
