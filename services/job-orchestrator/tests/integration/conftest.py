"""The service's parts on a real database, and the whole service on a real bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from closet_chassis.background import Background
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import Pool, close_pool, create_pool
from closet_chassis.readiness import Readiness
from closet_contracts.codec import decode, encode
from closet_contracts.credit import CreditDenied, CreditHeld, Price
from closet_contracts.envelope import Event, EventData, new_event
from closet_contracts.generation import GenerationCancelRequested, GenerationRequested, Input
from closet_contracts.ids import new_id
from closet_contracts.ownership import Service
from closet_contracts.render import RenderFailed, RenderStarted, RenderSucceeded, ResultFile
from closet_contracts.upload import Asset, UploadReady, UploadRejected
from closet_contracts.work import Role, TryOn, Work
from closet_messaging.connection import connect, drain
from closet_messaging.inbox import handle_batch
from closet_messaging.transaction import OutboxRow
from job_orchestrator.app import build
from job_orchestrator.settings import Settings
from job_orchestrator.subscriptions import subscriptions
from nats.aio.client import Client

PACKAGES = ("closet_messaging", "job_orchestrator")
NOW = datetime.now(UTC)


def picture(name: str) -> Asset:
    key = f"tenant/acme/{name}"
    return Asset(key=key, content_type="image/png", width=8, height=8, size_bytes=9, sha256="0" * 64)


def result(name: str, label: str | None = None) -> ResultFile:
    return ResultFile(key=f"tenant/acme/{name}", content_type="image/png", size_bytes=9, sha256="0" * 64, label=label)


@dataclass
class JobFacts:
    """One request, and the facts that may follow it."""

    tenant: str = "acme"
    user_id: str = "u-1"
    job_id: str = field(default_factory=lambda: new_id("job"))
    uploads: tuple[str, ...] = field(default_factory=lambda: (new_id("upl"), new_id("upl")))
    work: Work = field(default_factory=TryOn)
    inputs: tuple[Input, ...] | None = None  # the two uploads, unless others are given
    credits: int = 5
    quote_id: str | None = None
    consent_given_at: datetime | None = NOW
    deadline: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=15))

    def event(self, data: EventData) -> Event[EventData]:
        return new_event(data, tenant=self.tenant)

    def request(self) -> Event[EventData]:
        roles = (Role.PERSON, Role.GARMENT)
        inputs = tuple(Input(role=role, upload_id=each) for role, each in zip(roles, self.uploads, strict=False))
        data = GenerationRequested(
            job_id=self.job_id,
            user_id=self.user_id,
            work=self.work,
            inputs=inputs if self.inputs is None else self.inputs,
            price=Price(credits=self.credits, usd_cents=self.credits * 10, book_version="2026-01"),
            quote_id=self.quote_id,
            consent_given_at=self.consent_given_at,
            deadline=self.deadline,
        )
        return self.event(data)

    def ready(self) -> list[Event[EventData]]:
        return [
            self.event(UploadReady(upload_id=upload, job_id=self.job_id, user_id=self.user_id, asset=picture(upload)))
            for upload in self.uploads
        ]

    def held(self) -> Event[EventData]:
        expires = NOW + timedelta(hours=2)
        return self.event(
            CreditHeld(job_id=self.job_id, account_id=f"tenant:{self.tenant}", credits=self.credits, expires_at=expires)
        )

    def denied(self) -> Event[EventData]:
        data = CreditDenied(
            job_id=self.job_id,
            account_id=f"tenant:{self.tenant}",
            code="insufficient_credits",
            message="This costs 5 credits, and 3 are available.",
            required=5,
            available=3,
        )
        return self.event(data)

    def rejected(self, upload_id: str, code: str = "not_a_picture") -> Event[EventData]:
        ids = {"upload_id": upload_id, "job_id": self.job_id, "user_id": self.user_id}
        return self.event(UploadRejected(**ids, code=code, message="This is not a picture."))

    def cancel(self) -> Event[EventData]:
        return self.event(GenerationCancelRequested(job_id=self.job_id, user_id=self.user_id))

    def started(self, attempt: int = 1, *, item: int = 0) -> Event[EventData]:
        data = RenderStarted(job_id=self.job_id, item=item, attempt=attempt, vendor_task_id="918273645546372819")
        return self.event(data)

    def succeeded(self, attempt: int = 1, *, item: int = 0) -> Event[EventData]:
        results = (result(f"result_{item}.png"), result(f"result_{item}.json", "scores"))[: 1 + item % 2]
        ended: dict[str, Any] = {
            "job_id": self.job_id,
            "item": item,
            "attempt": attempt,
            "vendor_calls": 2,
            "vendor_ms": 700,
        }
        return self.event(RenderSucceeded(**ended, results=results))

    def failed(self, attempt: int = 1, *, item: int = 0, retryable: bool = True) -> Event[EventData]:
        data = RenderFailed(
            job_id=self.job_id,
            item=item,
            attempt=attempt,
            vendor_calls=2,
            vendor_ms=100,
            code="person_not_found",
            message="No person could be found in the photo.",
            tip="Stand alone in front of the camera.",
            retryable=retryable,
            vendor_code="error_no_face",
        )
        return self.event(data)

    def whole_run(self) -> list[Event[EventData]]:
        return [self.request(), *self.ready(), self.held(), self.started(), self.succeeded()]


@dataclass
class EventHarness:
    """Handles events as the consumer does, and keeps the emitted events."""

    pool: Pool
    emitted: list[Event[Any]] = field(default_factory=list)

    service = Service.JOB_ORCHESTRATOR

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        self.emitted += [decode(row.payload) for row in rows]

    async def handle(self, *events: Event[EventData]) -> None:
        """All in one transaction, as a batch."""
        await handle_batch(self.pool, self, subscriptions(settings("", "", ""), lambda: None), events)

    async def handle_each(self, *events: Event[EventData]) -> None:
        for event in events:
            await self.handle(event)

    def event_names(self, job_id: str) -> list[str]:
        """Return the names of the events emitted about a job, without prefix and version."""
        return [event.type.split(".")[2] for event in self.emitted if event.correlationid == job_id]

    async def make_overdue(self, *facts_of_jobs: JobFacts, seconds: float = 1) -> None:
        """Their deadline was so long ago."""
        ids, at = [one.job_id for one in facts_of_jobs], datetime.now(UTC) - timedelta(seconds=seconds)
        await self.pool.execute("UPDATE jobs SET deadline = $2 WHERE job_id = ANY($1)", ids, at)

    async def job(self, job_id: str) -> dict[str, Any]:
        return dict((await self.pool.fetch("SELECT * FROM jobs WHERE job_id = $1", job_id))[0])


def settings(database_url: str, owner_url: str, nats_url: str) -> Settings:
    return Settings(database_url=database_url, migrations_url=owner_url, nats_url=nats_url)


@pytest.fixture
def job_facts() -> type[JobFacts]:
    return JobFacts


@pytest.fixture
async def database_url(make_database: Callable[..., Awaitable[str]]) -> str:
    return await make_database(*PACKAGES)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await create_pool(database_url, 10)
    yield pool
    await close_pool(pool)


@pytest.fixture
def harness(pool: Pool) -> EventHarness:
    return EventHarness(pool)


@pytest.fixture
async def replica(
    database_url: str, owner_url: str, nats_url: Callable[[str], str]
) -> AsyncIterator[Callable[[], Awaitable[Process[Settings]]]]:
    """Starts the service as its process does; twice for two replicas."""
    async with AsyncExitStack() as stacks:

        async def start() -> Process[Settings]:
            stack = await stacks.enter_async_context(AsyncExitStack())
            stopping = asyncio.Event()
            background = Background(stack, stopping.set)
            values = settings(database_url, owner_url, nats_url("job-orchestrator"))
            process = Process(values, stack, Readiness(), background, web.Application(), stopping)
            await build(process)
            return process

        yield start


@dataclass
class World:
    """Everybody else on the bus."""

    nc: Client

    async def publish(self, *events: Event[EventData]) -> None:
        """Publish without message ids, so that an event published twice is in the stream twice."""
        for event in events:
            await self.nc.jetstream().publish(event.type, encode(event))

    async def event_names(self, job_id: str) -> list[str]:
        """The facts about a job on the bus, oldest first."""
        js = self.nc.jetstream()
        last = (await js.stream_info("CLOSET_JOB")).state.last_seq
        events = [decode((await js.get_msg("CLOSET_JOB", seq)).data or b"") for seq in range(1, last + 1)]
        return [event.type.split(".")[2] for event in events if event.correlationid == job_id]


@pytest.fixture
async def world(nats_url: Callable[[str], str]) -> AsyncIterator[World]:
    nc = await connect(nats_url("operator"), "operator")
    yield World(nc)
    await drain(nc)
