"""The whole service on a real database, bus and storage, and everybody else around it."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from closet_chassis.background import Background
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import Pool, close_pool, create_pool
from closet_chassis.readiness import Readiness
from closet_contracts.codec import decode, encode
from closet_contracts.credit import Price
from closet_contracts.envelope import Event, new_event
from closet_contracts.generation import Input
from closet_contracts.ids import new_id
from closet_contracts.job import JobAccepted
from closet_contracts.rpc import SignedPut, SignPut
from closet_contracts.work import Role, TryOn
from closet_devstack.samples import person_jpeg
from closet_devstack.testing import eventually
from closet_messaging import rpc
from closet_messaging.connection import connect, drain
from closet_storage.access import Access
from closet_storage.keys import upload_key
from closet_storage.objects import ObjectStore
from closet_storage.signing import Signer, put_headers
from nats.aio.client import Client
from upload_signer.app import build
from upload_signer.settings import Settings
from yarl import URL

PACKAGES = ("closet_messaging", "upload_signer")


@pytest.fixture
def tenant() -> str:
    """Storage is shared by all tests: each has a tenant of its own."""
    return f"t-{new_id('x')[2:]}"


@dataclass
class World:
    """Everybody else: the gateway, the orchestrator, the shopper, and access to storage."""

    nc: Client
    gateway: Client
    signer: Signer
    objects: ObjectStore
    session: aiohttp.ClientSession
    tenant: str
    user_id: str = "u-1"
    jobs: list[str] = field(default_factory=list)

    async def sign_put(self, upload_id: str, content_type: str = "image/jpeg", **bound: Any) -> SignedPut:
        bound = {"size": len(person_jpeg()), **bound}
        request = SignPut(tenant_id=self.tenant, upload_id=upload_id, content_type=content_type, **bound)
        return await rpc.ask(self.gateway, request)

    async def put(self, signed: SignedPut, data: bytes) -> int:
        headers = {name: value for name, value in signed.headers.items() if name != "Content-Length"}  # the true one
        async with self.session.put(signed.url, data=io.BytesIO(data), headers=headers) as response:
            return response.status

    async def upload(self, data: bytes, content_type: str = "image/jpeg") -> str:
        """As a client does it."""
        upload_id = new_id("upl")
        assert await self.put(await self.sign_put(upload_id, content_type, size=len(data)), data) == 200
        return upload_id

    async def place(self, data: bytes) -> str:
        """An upload that is there already."""
        upload_id = new_id("upl")
        headers = put_headers("image/jpeg", size=len(data))
        url, headers = self.signer.put_url(upload_key(self.tenant, upload_id), headers, 60)
        async with self.session.put(URL(url, encoded=True), data=io.BytesIO(data), headers=headers) as response:
            assert response.status == 200
        return upload_id

    def accepted(self, *upload_ids: str, user_id: str = "", tenant: str = "") -> Event[JobAccepted]:
        roles = (Role.PERSON, Role.GARMENT)
        data = JobAccepted(
            job_id=new_id("job"),
            user_id=user_id or self.user_id,
            version=1,
            work=TryOn(),
            inputs=tuple(Input(role=role, upload_id=one) for role, one in zip(roles, upload_ids, strict=False)),
            price=Price(credits=5, usd_cents=50, book_version="1"),
            deadline=datetime.now(UTC) + timedelta(minutes=15),
        )
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        return new_event(data, tenant=tenant or self.tenant, traceparent=trace)

    async def publish(self, *events: Event[JobAccepted]) -> None:
        """Publish without message ids, so that an event published twice is in the stream twice."""
        for event in events:
            await self.nc.jetstream().publish(event.type, encode(event))

    async def job(self, *upload_ids: str, **details: Any) -> str:
        event = self.accepted(*upload_ids, **details)
        await self.publish(event)
        return event.data.job_id

    async def events(self, job_id: str) -> list[Event[Any]]:
        """Return the events about the uploads of a job, oldest first."""
        js = self.nc.jetstream()
        last = (await js.stream_info("CLOSET_UPLOAD")).state.last_seq
        events = [decode((await js.get_msg("CLOSET_UPLOAD", seq)).data or b"") for seq in range(1, last + 1)]
        return [event for event in events if event.correlationid == job_id]

    async def answers(self, job_id: str, count: int = 1, timeout: float = 60) -> list[Event[Any]]:  # noqa: ASYNC109 a deadline
        async def enough() -> list[Event[Any]] | None:
            found = await self.events(job_id)
            return found if len(found) >= count else None

        return await eventually(enough, timeout=timeout)

    async def code(self, job_id: str) -> str:
        """Why the one upload of a job was rejected."""
        [event] = await self.answers(job_id)
        return str(event.data.code)

    async def raw(self, upload_id: str) -> bool:
        """Whether what the client sent is still there."""
        return await self.objects.head(upload_key(self.tenant, upload_id)) is not None


@pytest.fixture
async def database_url(make_database: Callable[..., Awaitable[str]]) -> str:
    return await make_database(*PACKAGES)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await create_pool(database_url, 5)
    yield pool
    await close_pool(pool)


@pytest.fixture
async def world(nats_url: Callable[[str], str], s3: Access, tenant: str) -> AsyncIterator[World]:
    nc = await connect(nats_url("operator"), "operator")
    gateway = await connect(nats_url("kiosk-gateway"), "kiosk-gateway")
    async with aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session:
        signer = Signer.of(s3)
        yield World(nc, gateway, signer, ObjectStore(session, signer), session, tenant)
    await drain(gateway)
    await drain(nc)


Start = Callable[..., Awaitable[AsyncExitStack]]


@pytest.fixture
async def start(
    database_url: str, owner_url: str, nats_url: Callable[[str], str], s3_server: Any
) -> AsyncIterator[Start]:
    """Starts the service as its process does; twice for two replicas. The answer stops it."""
    async with AsyncExitStack() as stacks:

        async def start(**settings: Any) -> AsyncExitStack:
            stack = await stacks.enter_async_context(AsyncExitStack())
            values = {
                **s3_server.env("upload-signer"),
                "database_url": database_url,
                "migrations_url": owner_url,
                "nats_url": nats_url("upload-signer"),
                **settings,
            }
            stopping = asyncio.Event()
            background = Background(stack, stopping.set)
            process = Process(Settings(**values), stack, Readiness(), background, web.Application(), stopping)
            await build(process)
            return stack

        yield start
