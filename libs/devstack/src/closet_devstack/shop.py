"""A shop in tests: a tenant with its shoppers, and what finance sees of it."""

from dataclasses import dataclass

from closet_client import ApiKey, ClosetClient, Job, RetryPolicy, UploadTicket
from closet_contracts.catalog import OPERATOR
from closet_contracts.rpc import LedgerPage, ReadLedger
from closet_messaging import rpc
from closet_messaging.connection import connect, drain

from closet_devstack import samples
from closet_devstack.stack import Stack
from closet_devstack.tenants import Tenant
from closet_devstack.testing import eventually

SHOPPER = "shopper-1"


@dataclass(frozen=True, slots=True)
class Shop:
    """A tenant of a running stack."""

    stack: Stack
    tenant: Tenant

    def shopper(self, name: str = SHOPPER, **headers: str) -> ClosetClient:
        """A client of that shopper, to be entered. It tries everything once: tests see each answer."""
        return ClosetClient(
            self.stack.url("kiosk-gateway"),
            ApiKey(self.tenant.api_key, name),
            retries=RetryPolicy(attempts=1),
            context=lambda: headers,
        )

    async def ledger(self) -> LedgerPage:
        """The tenant's account."""
        return await read_ledger(self.stack, self.tenant)

    async def rests_at(self, credits: int) -> None:
        """Wait until nothing is held and exactly `credits` are there."""

        async def settled() -> bool:
            page = await self.ledger()
            return (page.balance, page.held, page.available) == (credits, 0, credits)

        await eventually(settled)

    async def shows(self, credits: int) -> None:
        """Wait until shoppers see that balance, with nothing held: the gateway hears of it a moment later."""
        async with self.shopper() as client:

            async def shown() -> bool:
                balance = await client.balance()
                return (balance.balance, balance.held, balance.available) == (credits, 0, credits)

            await eventually(shown)


async def read_ledger(stack: Stack, tenant: Tenant) -> LedgerPage:
    """A tenant's account, asked for as an operator does."""
    nc = await connect(stack.nats.url(), OPERATOR)
    try:
        return await rpc.ask(nc, ReadLedger(account_id=tenant.account))
    finally:
        await drain(nc)


async def upload_samples(client: ClosetClient) -> tuple[UploadTicket, UploadTicket]:
    """The sample photo and the sample garment."""
    return await client.upload(samples.person_jpeg()), await client.upload(samples.garment_png())


async def settled(client: ClosetClient, job_id: str) -> Job:
    """The job when it has ended and, if it completed, its tenant has been charged: that is told a moment later."""
    await client.wait(job_id)

    async def charged() -> Job | None:
        job = await client.job(job_id)
        return job if job.status != "completed" or job.credits_charged is not None else None

    return await eventually(charged)
