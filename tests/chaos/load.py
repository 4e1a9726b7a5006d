"""Shoppers who keep asking, whatever happens to the services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from closet_client import ApiKey, ClosetClient, RetryPolicy, UploadTicket
from closet_contracts.ownership import Service
from closet_devstack import samples
from closet_devstack.stack import Stack
from closet_devstack.tenants import Tenant

STUBBORN = RetryPolicy(attempts=60, first_wait_s=0.1, longest_wait_s=1.0)


@dataclass
class Load:
    """One shopper's client with two pictures uploaded; `accepted` are the jobs by the key of their request."""

    client: ClosetClient
    person: UploadTicket
    garment: UploadTicket
    accepted: dict[str, str] = field(default_factory=dict)

    async def ask(self, key: str, *, twice: bool = False) -> str:
        """A try-on, asked for until there is an answer; repeated with its key it is always the same job."""
        jobs = await asyncio.gather(*(self._try_on(key) for _ in range(1 + twice)))
        self.accepted[key], *same = set(jobs)
        assert not same
        return self.accepted[key]

    async def _try_on(self, key: str) -> str:
        return (await self.client.try_on(self.person, self.garment, idempotency_key=key)).job_id


@asynccontextmanager
async def load_on(stack: Stack, tenant: Tenant, replicas: int = 1, shopper: str = "shopper-1") -> AsyncIterator[Load]:
    """A shopper who has consented and uploaded, and who knows so many replicas of the gateway."""
    urls = [stack.url(Service.KIOSK_GATEWAY, number) for number in range(replicas)]
    async with ClosetClient(urls, ApiKey(tenant.api_key, shopper), retries=STUBBORN) as client:
        await client.give_consent()
        yield Load(client, await client.upload(samples.person_jpeg()), await client.upload(samples.garment_png()))
