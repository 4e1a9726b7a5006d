"""Every event twice and out of order: the same end."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from closet_contracts.ownership import Service
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.servers.perfect import PerfectServer
from closet_devstack.servers.s3 import S3Server

from tests.chaos import books
from tests.chaos.disorder import ORDERLY, Temper, UnrulyBus
from tests.chaos.house import House, open_house, packages
from tests.chaos.stories import CREDITS, ENDS, ORDERED, PRICE, Shoppers

AHEAD_OF_ITS_CAUSE = {
    # The end of a job overtook its beginning: it comes again.
    ("closet.job.completed.v1", "HoldMissing"),
}
"""What handlers may raise, by event and error."""


@pytest.fixture
async def house(
    make_database: Callable[..., Awaitable[str]], s3_server: S3Server, perfect_server: PerfectServer
) -> AsyncIterator[House]:
    urls = {service: await make_database(*packages(service)) for service in Service}
    async with open_house(urls, s3_server, perfect_server) as house:
        yield house


@pytest.mark.parametrize(
    ("seed", "temper"),
    [(0, ORDERLY), *((seed, Temper()) for seed in range(1, 6)), (6, Temper(copies=(3, 5), delay_s=40, replicas=3))],
    ids=lambda value: "orderly" if value == ORDERLY else str(value) if isinstance(value, int) else "disorder",
)
async def test_the_end_is_the_same_in_any_order(house: House, sandbox: Remote, seed: int, temper: Temper) -> None:
    bus = UnrulyBus(house, random.Random(seed), temper)
    shoppers = Shoppers(house, bus, sandbox)

    await shoppers.play()

    found = await books.read(house.pools)
    assert not bus.dead
    assert set(bus.raised) <= (AHEAD_OF_ITS_CAUSE if temper != ORDERLY else set())
    assert books.unfinished(found) == []
    assert books.contradictions(found) == []
    assert shoppers.ends(found) == ENDS
    assert shoppers.ordered(found) == ORDERED
    assert found.balances() == {
        f"tenant:{tenant}": credits - PRICE * completed
        for tenant, credits, completed in [("shop", CREDITS["shop"], 5), ("kiosk", 5, 1), ("broke", 3, 0)]
    }
