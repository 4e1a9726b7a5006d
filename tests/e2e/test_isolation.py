"""What is another user's or another tenant's does not exist."""

from collections.abc import Awaitable, Callable

import pytest
from closet_client import ApiProblem, ClosetClient
from closet_devstack.shop import Shop, settled, upload_samples

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeShop = Callable[[int], Awaitable[Shop]]


async def refused(client: ClosetClient, job_id: str) -> set[tuple[int, str]]:
    """What a client is told who asks for a job in every way."""
    told = set()
    for ask in (client.job(job_id), client.cancel(job_id), anext(client.follow(job_id))):
        with pytest.raises(ApiProblem) as problem:
            await ask
        told.add((problem.value.status, problem.value.code))
    return told


async def test_jobs_are_their_owners(shop: Shop, client: ClosetClient, make_shop: MakeShop) -> None:
    job = await settled(client, (await client.try_on(*await upload_samples(client))).job_id)
    elsewhere = await make_shop(10)
    # Another user of the tenant; another tenant's user of the same name.
    async with shop.shopper("shopper-2") as neighbour, elsewhere.shopper() as stranger:
        for other in (neighbour, stranger):
            assert await refused(other, job.id) == {(404, "job_not_found")}
            assert (await other.jobs()).jobs == ()
    assert [one.id for one in (await client.jobs()).jobs] == [job.id]


async def test_uploads_are_their_owners(shop: Shop, client: ClosetClient, make_shop: MakeShop) -> None:
    person, garment = await upload_samples(client)
    elsewhere = await make_shop(10)
    async with shop.shopper("shopper-2") as neighbour, elsewhere.shopper() as stranger:
        for other in (neighbour, stranger):
            await other.give_consent()
            with pytest.raises(ApiProblem) as problem:
                await other.try_on(person, garment)
            assert (problem.value.status, problem.value.code) == (404, "input_not_found")
    await elsewhere.rests_at(10)


async def test_balances_are_their_tenants(client: ClosetClient, make_shop: MakeShop) -> None:
    elsewhere = await make_shop(7)
    async with elsewhere.shopper() as stranger:
        assert (await stranger.balance()).balance == 7
    assert (await client.balance()).balance == 100
