"""Every event twice and out of order: the same end."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from closet_contracts.ownership import Service
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.servers.perfect import PerfectServer
from closet_devstack.servers.s3 import S3Server

from tests.chaos import snapshot
from tests.chaos.in_process import InProcessServices, open_in_process, packages
from tests.chaos.scenarios import CREDITS, ENDS, ORDERED, PRICE, Shoppers
from tests.chaos.unordered_bus import IN_ORDER, DeliveryPolicy, UnorderedBus

AHEAD_OF_ITS_CAUSE = {
    # The end of a job overtook its beginning: it comes again.
    ("closet.job.completed.v1", "HoldMissing"),
}
"""What handlers may raise, by event and error."""


@pytest.fixture
async def services(
    make_database: Callable[..., Awaitable[str]], s3_server: S3Server, perfect_server: PerfectServer
) -> AsyncIterator[InProcessServices]:
    urls = {service: await make_database(*packages(service)) for service in Service}
    async with open_in_process(urls, s3_server, perfect_server) as services:
        yield services


@pytest.mark.parametrize(
    ("seed", "policy"),
    [
        (0, IN_ORDER),
        *((seed, DeliveryPolicy()) for seed in range(1, 6)),
        (6, DeliveryPolicy(copies=(3, 5), delay_s=40, replicas=3)),
    ],
    ids=lambda value: "orderly" if value == IN_ORDER else str(value) if isinstance(value, int) else "disorder",
)
async def test_the_end_is_the_same_in_any_order(
    services: InProcessServices, sandbox: Remote, seed: int, policy: DeliveryPolicy
) -> None:
    bus = UnorderedBus(services, random.Random(seed), policy)
    shoppers = Shoppers(services, bus, sandbox)

    await shoppers.play()

    found = await snapshot.read(services.pools)
    assert not bus.dead
    assert set(bus.raised) <= (AHEAD_OF_ITS_CAUSE if policy != IN_ORDER else set())
    assert snapshot.unfinished(found) == []
    assert snapshot.contradictions(found) == []
    assert shoppers.ends(found) == ENDS
    assert shoppers.ordered(found) == ORDERED
    assert found.balances() == {
        f"tenant:{tenant}": credits - PRICE * completed
        for tenant, credits, completed in [("shop", CREDITS["shop"], 5), ("kiosk", 5, 1), ("broke", 3, 0)]
    }
