"""perfect-adapter alone on real servers, replicas of it, and somebody who gives it work and hears what comes of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from closet_chassis.postgres import Connection
from closet_contracts.catalog import OPERATOR
from closet_contracts.codec import decode, encode
from closet_contracts.envelope import new_event
from closet_contracts.generation import Priority
from closet_contracts.ids import new_id
from closet_contracts.job import JobDispatched
from closet_contracts.ownership import Service
from closet_contracts.render import RenderFailed, RenderSucceeded
from closet_contracts.work import Size, TextToImage
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.testing import eventually
from closet_messaging.connection import connect, drain
from nats.aio.client import Client
from nats.aio.msg import Msg

ADAPTER = Service.PERFECT_ADAPTER
WORK = TextToImage(prompt="a red dress on a white wall", size=Size(width=384, height=512))
"""One unit, no inputs: so units paid are results delivered. As large as the fixed result: nothing to scale."""


@dataclass
class Rig:
    """A running stack without the other services."""

    stack: Stack
    nc: Client
    database: Connection
    ends: dict[str, RenderSucceeded | RenderFailed] = field(default_factory=dict)
    ended_twice: int = 0
    _heard: set[str] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def dispatch(self, tenant: str, count: int, priority: Priority = Priority.INTERACTIVE) -> list[str]:
        """Give the adapter so many jobs of a tenant; their ids."""
        deadline = datetime.now(UTC) + timedelta(hours=2)
        jobs = [
            JobDispatched(
                job_id=new_id("job"),
                user_id="u-1",
                version=1,
                attempt=1,
                work=WORK,
                inputs=(),
                priority=priority,
                deadline=deadline,
            )
            for _ in range(count)
        ]
        for job in jobs:
            await self.nc.jetstream().publish(job.TYPE, encode(new_event(job, tenant=tenant)))
        return [job.job_id for job in jobs]

    async def all_ended(self, job_ids: Sequence[str], timeout_s: float) -> None:
        """Wait until each of these has ended."""
        async with asyncio.timeout(timeout_s):
            while not all(job_id in self.ends for job_id in job_ids):
                self._changed.clear()
                await self._changed.wait()

    async def until(self, sql: str, timeout_s: float, *args: object) -> None:
        """Wait until the adapter's database says so."""
        await eventually(lambda: self.database.fetchval(sql, *args), timeout_s, every=0.1)

    async def stats(self) -> dict[str, Any]:
        """What the sandbox has counted."""
        return await self.stack.vendor.stats()

    async def calls(self) -> int:
        """Calls for tasks that the sandbox has counted; accounts and templates are asked about beside them."""
        by_operation = (await self.stats())["callsByOperation"]
        return sum(by_operation.get(name, 0) for name in ("create", "look", "history", "file", "delete"))

    async def hear(self, message: Msg) -> None:
        """An event of the adapter's."""
        event = decode(message.data)
        if isinstance(event.data, RenderSucceeded | RenderFailed) and event.id not in self._heard:
            self._heard.add(event.id)  # whoever listens outside the stream hears what a relay says again, too
            self.ended_twice += event.data.job_id in self.ends
            self.ends[event.data.job_id] = event.data
            self._changed.set()


@asynccontextmanager
async def running(sandbox: Sequence[str], replicas: int, **env: str) -> AsyncIterator[Rig]:
    """A rig with so many replicas of the adapter."""
    async with Stack(StackOptions(sandbox=sandbox, durable=False, environment=env)) as stack:
        for number in range(replicas):
            await stack.start_service(ADAPTER, number)
        nc = await connect(stack.nats.url(OPERATOR), OPERATOR)
        database = await asyncpg.connect(stack.env_for(ADAPTER)["CLOSET_DATABASE_URL"])
        rig = Rig(stack, nc, database)
        await nc.subscribe("closet.render.>", cb=rig.hear)
        try:
            yield rig
        finally:
            await database.close()
            await drain(nc)
