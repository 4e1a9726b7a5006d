"""The whole service on a real database, bus, storage and vendor (its sandbox), and everybody else around it."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from closet_chassis.background import Background
from closet_chassis.http import make_http_app
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import Pool, close_pool, create_pool
from closet_chassis.readiness import Readiness
from closet_contracts.codec import decode, encode
from closet_contracts.envelope import Event, EventData, new_event
from closet_contracts.generation import Priority
from closet_contracts.ids import new_id
from closet_contracts.job import InputAsset, JobCancelled, JobDispatched, JobStopRequested
from closet_contracts.ownership import Service
from closet_contracts.upload import Asset
from closet_contracts.work import Category, Role, Size, TryOn
from closet_devstack.ports import free_port
from closet_devstack.samples import garment_png, person_jpeg
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.testing import eventually
from closet_messaging.connection import connect, drain
from closet_messaging.inbox import handle_batch
from closet_messaging.transaction import Begin, transaction
from closet_storage.access import Access
from closet_storage.keys import EXTENSIONS, input_key, prepared_key
from closet_storage.objects import ObjectStore
from closet_storage.signing import Signer
from nats.aio.client import Client
from perfect_adapter.app import build
from perfect_adapter.queue.assignment import OrderingPolicy
from perfect_adapter.queue.fair_queue import QueuePolicy
from perfect_adapter.queue.scheduler import Scheduler
from perfect_adapter.quota.api_keys import KeyRing
from perfect_adapter.quota.budget import Budget
from perfect_adapter.quota.gate import CompletedCall, QuotaGate
from perfect_adapter.renders.collect import Collector
from perfect_adapter.renders.inputs import InputPreparer
from perfect_adapter.renders.submit import Submitted, Submitter
from perfect_adapter.settings import Settings
from perfect_adapter.subscriptions import subscriptions
from perfect_adapter.vendor.answers import CreateAnswer
from perfect_adapter.vendor.features import FeatureOptions
from PIL import Image

PACKAGES = ("closet_messaging", "perfect_adapter")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class World:
    """The orchestrator, the storage, and the vendor's remote control."""

    nc: Client
    objects: ObjectStore
    session: aiohttp.ClientSession
    vendor: Remote
    pool: Pool
    api_key: str
    tenant: str
    inputs: tuple[InputAsset, ...] = ()

    async def bring(self, person: bytes, garment: bytes) -> None:
        """Put the checked inputs of all jobs into storage."""
        self.inputs = (
            await self.asset(Role.PERSON, person),
            await self.asset(Role.GARMENT, garment),
        )

    async def asset(self, role: Role, data: bytes) -> InputAsset:
        """One checked input, in storage."""
        with Image.open(io.BytesIO(data)) as picture:
            content_type = f"image/{(picture.format or '').lower()}"
            key = input_key(self.tenant, new_id("upl"), EXTENSIONS[content_type])
            await self.objects.put(key, data, content_type)
            width, height = picture.size
        size_bytes, digest = len(data), "0" * 64
        asset = Asset(
            key=key, content_type=content_type, width=width, height=height, size_bytes=size_bytes, sha256=digest
        )
        return InputAsset(role=role, asset=asset)

    async def prepared(self, job_id: str) -> AsyncIterator[str]:
        """What was made of the inputs for the vendor."""
        for role in Role:
            for ext in ("jpg", "png"):
                key = prepared_key(self.tenant, job_id, 0, role.value, ext)
                if await self.objects.head(key):
                    yield key

    async def relist_templates(self) -> None:
        """Have the list made anew."""
        await self.pool.execute("UPDATE template_lists SET due_at = now(), listed_at = NULL")

    async def took_of_late(self, seconds: float) -> None:
        """A try-on has ended that took so long."""
        await self.pool.execute(
            """
            INSERT INTO renders (render_id, job_id, item, attempt, tenant_id, work, inputs, feature, units, rank,
                deadline, cause_id, state, task_began_at, ended_at)
            VALUES ('job_1.0.1', 'job_1', 0, 1, 't', '{}', '{}', 'tryon-v4', 2, 1, now(), gen_random_uuid(), 'done',
                now() - make_interval(secs => $1), now())
            """,
            seconds,
        )

    async def time_is_over(self, job_id: str) -> None:
        """Its deadline is now, however quickly this machine came so far."""
        await self.pool.execute("UPDATE renders SET deadline = now() WHERE job_id = $1", job_id)

    async def template(self) -> str:
        """A template that the vendor offers."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        url = f"{self.vendor.url}/s2s/v2.1/task/template/hair-transfer?page_size=1"
        async with self.session.get(url, headers=headers) as response:
            return str((await response.json())["data"]["templates"][0]["id"])

    def dispatched(self, job_id: str = "", size: Size | None = None, **changes: Any) -> Event[JobDispatched]:
        job = {
            "job_id": job_id or new_id("job"),
            "user_id": "u-1",
            "version": 3,
            "attempt": 1,
            "work": TryOn(category=Category.DRESS, size=size),
            "inputs": self.inputs,
            "priority": Priority.INTERACTIVE,
            "deadline": datetime.now(UTC) + timedelta(minutes=15),
            **changes,
        }
        return new_event(JobDispatched(**job), tenant=self.tenant, traceparent=TRACE)

    def cancelled(self, job_id: str) -> Event[JobCancelled]:
        data = JobCancelled(job_id=job_id, user_id="u-1", version=9, code="cancelled", message="No.", attempts=1)
        return new_event(data, tenant=self.tenant)

    def stopping(self, job_id: str) -> Event[JobStopRequested]:
        data = JobStopRequested(job_id=job_id, user_id="u-1", version=8, code="cancelled")
        return new_event(data, tenant=self.tenant)

    async def say(self, *events: Event[EventData]) -> None:
        """What is said twice is in the stream twice: the message id, by which the bus would know it, is left out."""
        for event in events:
            await self.nc.jetstream().publish(event.type, encode(event))

    async def job(self, **details: Any) -> str:
        event = self.dispatched(**details)
        await self.say(event)
        return event.data.job_id

    async def heard(self, job_id: str) -> list[Event[Any]]:
        """What was told about the renders of a job, oldest first."""
        js = self.nc.jetstream()
        last = (await js.stream_info("CLOSET_RENDER")).state.last_seq
        events = [decode((await js.get_msg("CLOSET_RENDER", seq)).data or b"") for seq in range(1, last + 1)]
        return [event for event in events if event.correlationid == job_id]

    async def told(self, job_id: str, count: int) -> None:
        """Wait until so much was told."""

        async def enough() -> bool:
            return len(await self.heard(job_id)) >= count

        await eventually(enough)

    async def end(self, job_id: str, timeout: float = 60) -> Event[Any]:  # noqa: ASYNC109 a deadline
        """How its render ended."""

        async def ended() -> Event[Any] | None:
            heard = await self.heard(job_id)
            return heard[-1] if heard and not heard[-1].type.endswith(".started.v1") else None

        return await eventually(ended, timeout=timeout)

    async def created(self) -> int:
        """How many tasks the vendor was ordered to do."""
        return int((await self.vendor.stats())["tasksCreated"])

    async def calls(self) -> dict[str, int]:
        """How often which operation of the vendor was called for renders; accounts are asked about beside them."""
        counts = (await self.vendor.stats())["callsByOperation"]
        return {name: count for name, count in counts.items() if name not in {"credit", "template", "templates"}}


@pytest.fixture
async def database_url(make_database: Callable[..., Awaitable[str]]) -> str:
    """Templates have been listed today: tests count calls."""
    url = await make_database(*PACKAGES)
    conn = await asyncpg.connect(url)
    await conn.execute("INSERT INTO template_lists VALUES ('hairstyle', now(), now() + interval '1 day')")
    await conn.close()
    return url


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await create_pool(database_url, 5)
    yield pool
    await close_pool(pool)


@pytest.fixture
async def world(
    nats_url: Callable[[str], str], s3: Access, sandbox: Remote, perfect_server: Any, pool: Pool
) -> AsyncIterator[World]:
    nc = await connect(nats_url("operator"), "operator")
    async with aiohttp.ClientSession() as session:
        objects, tenant = ObjectStore(session, Signer.of(s3)), f"t-{new_id('x')[2:]}"
        world = World(nc, objects, session, sandbox, pool, perfect_server.api_key, tenant)
        await world.bring(person_jpeg(), garment_png())
        yield world
    await drain(nc)


class Nobody:
    """A relay that publishes nothing: what was emitted is left to the sweeper of whoever lives."""

    service = Service.PERFECT_ADAPTER

    def enqueue(self, rows: Any) -> None:
        """Leave them."""


class Dead:
    """A replica that does exactly as much as a test tells it to, and then nothing more, ever."""

    def __init__(self, pool: Pool, begin: Begin, api_key: str, vendor: Any = None) -> None:
        self.pool = pool
        neither: Any = None
        ring = KeyRing((api_key,), None, "default")
        self.gate = QuotaGate(begin=begin, ring=ring, egress="default", budget=Budget(0, 300, 0))
        self.submitter = Submitter(
            gate=self.gate,
            vendor=vendor,
            inputs=InputPreparer(
                mode="url",
                signer=Signer("http://s3", "r", "bucket", "k", "s"),
                objects=neither,
                pictures=neither,
                vendor=neither,
            ),
            results=neither,
            scheduler=Scheduler(
                self.gate,
                OrderingPolicy(queue=QueuePolicy(300), at_once=32, calls_per_task=2, ambiguous_wait_s=120),
            ),
            poll_after_s=30,
            on_task_started=_nothing,
            on_ambiguous=_nothing,
        )
        self.collector = Collector(
            gate=self.gate,
            vendor=neither,
            results=neither,
            poll_after_s=30,
            on_ambiguous=_nothing,
            should_delete_copies=lambda _: False,
            on_copy_to_delete=_nothing,
        )

    async def take(self, *events: Any) -> None:
        await handle_batch(self.pool, Nobody(), subscriptions(FeatureOptions(), _nothing), events)

    async def claim(self) -> Any:
        """Writes one intent, and dies."""
        [self.claimed] = (await self.submitter.claim(1)).items
        return self.claimed.render

    async def answer(self, answer: CreateAnswer) -> None:
        """It was not dead after all: the answer has come."""
        claim = self.claimed
        called = CompletedCall(claim.create_call, claim.render.key, answer)
        await self.submitter._writer.submit(Submitted(claim.render, [called], answer, datetime.now(UTC)))


def _nothing() -> None: ...


@pytest.fixture
async def make_dead(pool: Pool, perfect_server: Any) -> Callable[..., Awaitable[Dead]]:
    async def make(begin: Begin, vendor: Any = None) -> Dead:
        dead = Dead(pool, begin, perfect_server.api_key, vendor)
        await dead.gate.ring.refresh(begin)
        return dead

    return make


@pytest.fixture
async def dead(pool: Pool, make_dead: Callable[..., Awaitable[Dead]]) -> Dead:
    return await make_dead(lambda: transaction(pool, Nobody()))


@dataclass
class Replica:
    """One process of the service, in this one."""

    stack: AsyncExitStack
    url: str

    async def stop(self) -> None:
        await self.stack.aclose()


@pytest.fixture
async def start(
    database_url: str,
    owner_url: str,
    nats_url: Callable[[str], str],
    s3_server: Any,
    perfect_server: Any,
    world: World,
) -> AsyncIterator[Callable[..., Awaitable[Replica]]]:
    """Starts the service as its process does, its webhook's address known to the vendor; twice for two replicas."""
    async with AsyncExitStack() as stacks:
        addresses: list[str] = []

        async def start(**settings: Any) -> Replica:
            stack = await stacks.enter_async_context(AsyncExitStack())
            values = {
                **s3_server.env("perfect-adapter"),
                **perfect_server.env(),
                "database_url": database_url,
                "migrations_url": owner_url,
                "nats_url": nats_url("perfect-adapter"),
                "PERFECT_PACE_PER_S": 0,
                "PERFECT_ORDERS_AT_ONCE": 32,
                "PERFECT_BALANCE_EVERY_S": 3600,
                **settings,
            }
            readiness, stopping = Readiness(), asyncio.Event()
            background = Background(stack, stopping.set)
            app = make_http_app("perfect-adapter", readiness)
            await build(Process(Settings(**values), stack, readiness, background, app, stopping))
            url = await _served(app, stack)
            addresses.append(f"{url}/webhooks/perfect")
            await world.vendor.change(webhook_urls=addresses)
            return Replica(stack, url)

        yield start


async def _served(app: web.Application, stack: AsyncExitStack) -> str:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return f"http://127.0.0.1:{port}"


class Wire:
    """A line to the vendor that can be cut: until `open`, connections are refused."""

    def __init__(self, target: str) -> None:
        self._target = target.removeprefix("http://").split(":")
        self._pipes: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._target[0], int(self._target[1]))
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(_pipe(source, sink))
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        return
    finally:
        sink.close()


@pytest.fixture
async def wire(perfect_server: Any) -> AsyncIterator[Wire]:
    wire = Wire(perfect_server.url)
    yield wire
    await wire.close()


@pytest.fixture
def secret(perfect_server: Any) -> str:
    """What the vendor signs its webhooks with."""
    return str(perfect_server.webhook_secret)
