"""One stack for the tests of this folder; each test has a tenant of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest_asyncio
from closet_client import ClosetClient
from closet_devstack.otlp import OtlpReceiver, receiving
from closet_devstack.shop import Shop
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import make_tenant

from tests.e2e.ahead import CREDITS, TenantsAhead

MakeShop = Callable[[int], Awaitable[Shop]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def traces() -> AsyncIterator[OtlpReceiver]:
    async with receiving() as receiver:
        yield receiver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(traces: OtlpReceiver) -> AsyncIterator[Stack]:
    """Everything, in its own processes."""
    options = StackOptions(durable=False, sandbox=("--latency-ms", "200"), environment=traces.env())
    async with Stack(options) as running:
        await running.start_services()
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ahead(stack: Stack) -> TenantsAhead:
    return TenantsAhead(stack)


@pytest_asyncio.fixture(loop_scope="session")
async def make_shop(stack: Stack, ahead: TenantsAhead) -> MakeShop:
    """Makes a tenant with so many credits, and waits until the gateway knows of them."""

    async def make(credits: int) -> Shop:
        usual = credits == CREDITS
        tenant = await (ahead.take() if usual else make_tenant(stack, f"shop-{uuid4().hex[:8]}", credits))
        shop = Shop(stack, tenant)
        await shop.shows(credits)
        return shop

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def shop(make_shop: MakeShop) -> Shop:
    return await make_shop(CREDITS)


@pytest_asyncio.fixture(loop_scope="session")
async def client(shop: Shop) -> AsyncIterator[ClosetClient]:
    """A shopper who has consented."""
    async with shop.shopper() as client:
        await client.give_consent()
        yield client
