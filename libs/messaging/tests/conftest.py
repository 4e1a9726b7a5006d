import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiohttp import web
from closet_chassis.background import Background
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import Pool, close_pool, create_pool
from closet_chassis.readiness import Readiness
from closet_contracts.catalog import model_of, subscriptions_of
from closet_contracts.codec import encode
from closet_contracts.credit import CreditReleased
from closet_contracts.envelope import Event, EventData
from closet_contracts.ids import new_id
from closet_contracts.job import JobFailed
from closet_contracts.ownership import Service
from closet_devstack.databases import Databases
from closet_messaging import dead_letters
from closet_messaging.bus import Bus, open_bus
from closet_messaging.connection import connect, drain
from closet_messaging.inbox import Handler
from closet_messaging.transaction import OutboxRow, Tx
from nats.aio.client import Client
from prometheus_client import REGISTRY

TENANT = "acme"
BACKOFF_S = (0.02, 0.02)


def failed(job: str | None = None, version: int = 1) -> JobFailed:
    return JobFailed(
        job_id=job or new_id("job"), user_id="u-1", version=version, code="some_code", message="A sentence.", attempts=1
    )


def released(job: str) -> CreditReleased:
    return CreditReleased(job_id=job, account_id=f"tenant:{TENANT}", credits=5, reason="job_failed")


class Crash:
    """A relay in a process that dies right after its commit."""

    def __init__(self, service: Service = Service.JOB_ORCHESTRATOR) -> None:
        self.service = service

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        pass


async def ignore(tx: Tx, event: Event[Any]) -> None:
    pass


async def effect(tx: Tx, event: Event[Any]) -> None:
    """Leaves a row for each time it is run and committed."""
    await tx.conn.execute("INSERT INTO effects (event_id, job) VALUES ($1, $2)", event.id, event.correlationid)


@dataclass
class Replica:
    process: Process[Any]
    pool: Pool
    bus: Bus
    crashed: list[bool]

    tasks: list[asyncio.Task[Any]]

    async def stop(self) -> None:
        await self.process.stack.aclose()

    async def die(self) -> None:
        """Says nothing to anyone, as a killed process would not."""
        for task in self.tasks:
            task.cancel()
        self.bus._processor.cancel()
        await asyncio.wait(self.tasks)
        await self.bus._nc.close()

    async def effects(self) -> list[str]:
        return [str(row[0]) for row in await self.pool.fetch("SELECT event_id FROM effects ORDER BY seq")]


@dataclass
class House:
    """Opens replicas of services, each service with one database."""

    nats_url: Callable[[str], str]
    make_database: Callable[..., Awaitable[str]]
    owner_url: Callable[[str], str]
    databases: dict[Service, str] = field(default_factory=dict)
    replicas: list[Replica] = field(default_factory=list)

    async def database(self, service: Service) -> str:
        if service not in self.databases:
            self.databases[service] = url = await self.make_database("closet_messaging")
            owner = await create_pool(self.owner_url(url), 1)
            await owner.execute("CREATE TABLE effects (seq bigserial PRIMARY KEY, event_id uuid, job text)")
            await owner.execute("GRANT ALL ON effects, effects_seq_seq TO PUBLIC")
            await close_pool(owner)
        return self.databases[service]

    @asynccontextmanager
    async def pool(self, service: Service) -> AsyncIterator[Pool]:
        """A service's database, without the service."""
        pool = await create_pool(await self.database(service), 5)
        yield pool
        await close_pool(pool)

    async def open(
        self,
        service: Service = Service.BILLING_METER,
        handlers: Mapping[type[EventData], Handler] | None = None,
        requests: Any = None,
    ) -> Replica:
        stack = AsyncExitStack()
        crashed: list[bool] = []
        pool = await create_pool(await self.database(service), 5)
        stack.push_async_callback(close_pool, pool)
        background = Background(stack, lambda: crashed.append(True))
        settings = SimpleNamespace(nats_url=self.nats_url(service), outbox_max_age_s=60.0)
        process: Process[Any] = Process(settings, stack, Readiness(), background, web.Application(), asyncio.Event())
        wanted = {model_of(name): ignore for _, types in subscriptions_of(service) for name in types}
        others = asyncio.all_tasks()
        bus = await stack.enter_async_context(
            open_bus(process, service, pool, wanted | dict(handlers or {}), requests, backoff_s=BACKOFF_S)
        )
        names = {"relay", "sweeper", "desk", "consumer", "backlog"}
        tasks = [task for task in asyncio.all_tasks() - others if task.get_name() in names]
        self.replicas.append(Replica(process, pool, bus, crashed, tasks))
        return self.replicas[-1]

    async def close(self) -> None:
        for replica in reversed(self.replicas):
            await replica.stop()


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Tracebacks with every local variable take longer to draw than most tests run."""
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])


@pytest.fixture
async def house(
    nats_url: Callable[[str], str], make_database: Callable[..., Awaitable[str]], databases: Databases
) -> AsyncIterator[House]:
    house = House(nats_url, make_database, databases.owner_url)
    yield house
    await house.close()


@pytest.fixture
async def operator(nats_url: Callable[[str], str]) -> AsyncIterator[Client]:
    nc = await connect(nats_url("operator"), "operator")
    yield nc
    await drain(nc)


@pytest.fixture
async def pool(house: House) -> AsyncIterator[Pool]:
    async with house.pool(Service.JOB_ORCHESTRATOR) as pool:
        yield pool


@pytest.fixture
async def owner(pool: Pool, house: House) -> AsyncIterator[Pool]:
    """The same database for its owner, who may make tables."""
    pool = await create_pool(house.owner_url(house.databases[Service.JOB_ORCHESTRATOR]), 1)
    yield pool
    await close_pool(pool)


Outcomes = Callable[..., float]


@pytest.fixture
def outcomes() -> Outcomes:
    """How many deliveries ended so, since the test began."""

    def total(outcome: str, event_type: str = JobFailed.TYPE) -> float:
        labels = {"type": event_type, "outcome": outcome}
        return REGISTRY.get_sample_value("closet_events_handled_total", labels) or 0.0

    names = ("handled", "duplicate", "unknown", "malformed", "failed", "dead")
    before = {name: total(name) for name in names}
    return lambda outcome: total(outcome) - before[outcome]


async def publish(nc: Client, event: Event[Any], message_id: str | None = None) -> None:
    """As a producer would; under another message id it is a second copy of the same event."""
    await nc.jetstream().publish(event.type, encode(event), headers={"Nats-Msg-Id": message_id or event.id})


async def letters(nc: Client, service: Service | None = None) -> list[dead_letters.StoredDeadLetter]:
    return [letter async for letter in dead_letters.list_dead_letters(nc.jetstream(), service)]


async def deliver_often(operator: Client, times: int) -> None:
    """As if so many processes had died with it in hand."""
    pulling = await operator.jetstream().pull_subscribe_bind(Service.BILLING_METER, "CLOSET_JOB")
    for _ in range(times):
        (message,) = await pulling.fetch(1, timeout=5)
        await message.nak()
    await pulling.unsubscribe()


async def stored_ids(nc: Client, stream: str = "CLOSET_JOB") -> list[str]:
    """Message ids in a stream, in its order."""
    js = nc.jetstream()
    last = (await js.stream_info(stream)).state.last_seq
    messages = [await js.get_msg(stream, seq) for seq in range(1, last + 1)]
    return [str((message.headers or {})["Nats-Msg-Id"]) for message in messages]


async def unread(nc: Client, service: Service = Service.BILLING_METER, stream: str = "CLOSET_JOB") -> tuple[int, int]:
    """Events not yet delivered, and delivered but not acknowledged."""
    info = await nc.jetstream().consumer_info(stream, service)
    return info.num_pending or 0, info.num_ack_pending or 0


AsService = Callable[[Service], Awaitable[Client]]


@pytest.fixture
async def as_service(nats_url: Callable[[str], str]) -> AsyncIterator[AsService]:
    """Connects with a service's own rights."""
    async with AsyncExitStack() as stack:

        async def open_connection(service: Service) -> Client:
            nc = await connect(nats_url(service), service)
            stack.push_async_callback(drain, nc)
            return nc

        yield open_connection
