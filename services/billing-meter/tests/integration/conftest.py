"""The service's parts on a real database, and the whole service on a real bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from billing_meter.adapters.signatures import Mailbox
from billing_meter.adapters.stripe import Stripe
from billing_meter.app import build
from billing_meter.domain.movements import Receipt, wallet_of
from billing_meter.handlers.receipts import receive_credits
from billing_meter.handlers.stripe import Terms
from billing_meter.http import PATH, add_routes
from billing_meter.settings import Settings
from billing_meter.store.prices import PriceBooks
from billing_meter.subscriptions import subscriptions
from billing_meter.worker.actions import Desk
from billing_meter.worker.clerk import Clerk
from closet_chassis.background import Background
from closet_chassis.http import make_http_app
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import Pool, close_pool, create_pool
from closet_chassis.readiness import Readiness
from closet_contracts.codec import decode, encode
from closet_contracts.credit import CreditBalanceChanged, Plan, Price
from closet_contracts.envelope import Event, EventData, new_event
from closet_contracts.generation import Input
from closet_contracts.ids import new_id
from closet_contracts.job import JobAccepted, JobCancelled, JobCompleted, JobExpired, JobFailed
from closet_contracts.ownership import Service
from closet_contracts.work import Role, Size, TryOn, Work
from closet_devstack.sandbox.stripe.remote import Remote
from closet_devstack.servers.stripe import StripeServer
from closet_devstack.testing import eventually
from closet_messaging.connection import connect, drain
from closet_messaging.inbox import handle_batch
from closet_messaging.transaction import OutboxRow, transaction
from nats.aio.client import Client

PACKAGES = ("closet_messaging", "billing_meter")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@dataclass
class Job:
    """A job as its money sees it: every call makes a new event."""

    tenant: str = "acme"
    credits: int = 5
    book: str = "2026-11"
    size: Size | None = None
    work: Work | None = None
    quote_id: str | None = None
    job_id: str = field(default_factory=lambda: new_id("job"))
    deadline: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=15))

    def accepted(self) -> Event[Any]:
        data = JobAccepted(
            job_id=self.job_id,
            user_id="u-1",
            version=1,
            work=self.work or TryOn(size=self.size),
            inputs=(Input(role=Role.PERSON, upload_id=new_id("upl")),),
            price=Price(credits=self.credits, usd_cents=self.credits * 10, book_version=self.book),
            quote_id=self.quote_id,
            deadline=self.deadline,
        )
        return self._event(data)

    def completed(self, credits: int | None = None) -> Event[Any]:
        return self._event(
            JobCompleted(
                job_id=self.job_id,
                user_id="u-1",
                version=6,
                kind="tryon",
                results=(),
                attempts=1,
                credits=self.credits if credits is None else credits,
                vendor_ms=1,
            )
        )

    def cancelled(self, credits: int) -> Event[Any]:
        """Given up when so much of it had been begun."""
        told: dict[str, Any] = {"code": "cancelled", "message": "A sentence.", "attempts": 1}
        return self._event(JobCancelled(job_id=self.job_id, user_id="u-1", version=6, credits=credits, **told))

    def ended(self, kind: type[JobFailed | JobCancelled | JobExpired] = JobFailed) -> Event[Any]:
        return self._event(
            kind(job_id=self.job_id, user_id="u-1", version=6, code="some_code", message="A sentence.", attempts=1)
        )

    def _event(self, data: EventData) -> Event[Any]:
        return new_event(data, tenant=self.tenant, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")


@dataclass
class LedgerHarness:
    """Handles events as the consumer would, and keeps what is emitted; `owner` is for who may do anything."""

    pool: Pool
    owner: Pool
    books: PriceBooks = field(default_factory=PriceBooks)
    told: list[Event[Any]] = field(default_factory=list)

    service = Service.BILLING_METER

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        self.emitted += [decode(row.payload) for row in rows]

    async def take(self, *events: Event[Any]) -> None:
        """All in one transaction, as a batch."""
        await handle_batch(self.pool, self, subscriptions(settings("", "", ""), self.books), events)

    async def grant(self, credits: int, tenant: str = "acme", receipt: str | None = None) -> str:
        async with transaction(self.pool, self) as tx:
            cause = f"receipt:{receipt or new_id('receipt')}"
            grant = Receipt("grant", cause, tenant, wallet_of(tenant), credits, "a test", "to be spent")
            return (await receive_credits(tx, grant)).outcome

    def said(self, job: Job) -> list[str]:
        """The facts told about a job's credits."""
        return [event.type.split(".")[2] for event in self.emitted if event.correlationid == job.job_id]

    def balances(self, tenant: str = "acme") -> list[CreditBalanceChanged]:
        data = [event.data for event in self.emitted if event.tenantid == tenant]
        return [one for one in data if isinstance(one, CreditBalanceChanged)]

    async def stands(self, tenant: str = "acme") -> tuple[int, int]:
        """Balance, and what is held of it; the books are checked by the way."""
        await self.audit()
        row = await self.pool.fetchrow("SELECT balance, held FROM balances WHERE account_id = $1", wallet_of(tenant))
        return (row["balance"], row["held"]) if row else (0, 0)

    async def audit(self) -> None:
        """The books add up, and the projections are what the entries say."""
        assert await self.pool.fetch("SELECT * FROM balances_astray") == []
        assert await self.pool.fetchval("SELECT coalesce(sum(amount), 0) FROM entries") == 0
        odd = "SELECT transaction_id FROM entries GROUP BY transaction_id HAVING sum(amount) <> 0 OR count(*) < 2"
        assert await self.pool.fetch(odd) == []
        held = "SELECT coalesce(sum(credits), 0) FROM holds WHERE state = 'held'"
        assert await self.pool.fetchval(held) == await self.pool.fetchval(
            "SELECT coalesce(sum(held - promised), 0) FROM balances"
        )


def settings(database_url: str, owner_url: str, nats_url: str) -> Settings:
    """With a key of Stripe's, so that what is captured is metered for those tenants that are."""
    return Settings(
        database_url=database_url,
        migrations_url=owner_url,
        nats_url=nats_url,
        stripe_key="sk_test_nobodys",
        stripe_base="http://127.0.0.1:9",
    )


@pytest.fixture
def new_job() -> type[Job]:
    return Job


@pytest.fixture
async def database_url(make_database: Callable[..., Awaitable[str]]) -> str:
    return await make_database(*PACKAGES)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await create_pool(database_url, 10)
    yield pool
    await close_pool(pool)


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[Pool]:
    """The database for its owner: the service's own role cannot write the ledger but by its functions."""
    pool = await create_pool(owner_url, 2)
    yield pool
    await close_pool(pool)


@pytest.fixture
def ledger(pool: Pool, owner: Pool) -> LedgerHarness:
    return LedgerHarness(pool, owner)


@pytest.fixture
def new_ledger() -> type[LedgerHarness]:
    return LedgerHarness


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
            values = settings(database_url, owner_url, nats_url("billing-meter"))
            process = Process(values, stack, Readiness(), background, web.Application(), stopping)
            await build(process)
            return process

        yield start


@dataclass
class StripeHarness:
    """The service's dealings with Stripe, done when a test says so; Stripe's webhooks come to `url`."""

    ledger: LedgerHarness
    clerk: Clerk
    stripe: Stripe
    sandbox: Remote
    secret: str
    url: str

    async def work(self) -> None:
        """Until nothing is due any more, retries included."""

        async def nothing_due() -> bool:
            await self.clerk.step()
            return not await self.ledger.pool.fetchval("SELECT count(*) FROM stripe_work WHERE state = 'due'")

        await eventually(nothing_due, timeout=30)

    async def heard(self, count: int) -> None:
        """Once so many events have come, what there is to do is done."""

        async def came() -> bool:
            sql = "SELECT count(*) FROM stripe_work WHERE kind = 'event'"
            return bool(await self.ledger.pool.fetchval(sql) >= count)

        await eventually(came)
        await self.work()

    async def begin(self, verb: Any, *args: Any, **options: Any) -> Any:
        async with transaction(self.ledger.pool, self.ledger) as tx:
            return await verb(tx, *args, **options)

    async def post(self, raw: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        async with aiohttp.ClientSession() as session, session.post(self.url, data=raw, headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture(scope="session")
def stripe_server(devstack_folder: Path) -> Iterator[StripeServer]:
    server = StripeServer(devstack_folder / "stripe").start()
    yield server
    server.discard()


@pytest.fixture
async def harness(ledger: LedgerHarness, stripe_server: StripeServer) -> AsyncIterator[StripeHarness]:
    sandbox, begin = Remote(stripe_server.url), partial(transaction, ledger.pool, ledger)
    await sandbox.reset()
    app = make_http_app("billing-meter", Readiness())
    add_routes(app, Mailbox([stripe_server.webhook_secret]), begin, lambda: None)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url(PATH))
        await sandbox.change(webhook_url=url)
        stripe = Stripe(session, stripe_server.api_key, stripe_server.url, ("mtr_closet", "closet_credits"))
        terms = Terms({"price_growth": Plan(name="growth", credits=1000)}, timedelta(days=7))
        clerk = Clerk(Desk(begin, stripe, terms, "https://shop.example/billing"))
        yield StripeHarness(ledger, clerk, stripe, sandbox, stripe_server.webhook_secret, url)


@dataclass
class Bus:
    """Everybody else on the bus."""

    nc: Client

    async def say(self, *events: Event[Any]) -> None:
        """An event said twice is in the stream twice: the message id, by which the bus would know it, is left out."""
        for event in events:
            await self.nc.jetstream().publish(event.type, encode(event))

    async def heard(self) -> list[Event[Any]]:
        """All that billing-meter told, oldest first."""
        js = self.nc.jetstream()
        last = (await js.stream_info("CLOSET_CREDIT")).state.last_seq
        return [decode((await js.get_msg("CLOSET_CREDIT", seq)).data or b"") for seq in range(1, last + 1)]


@pytest.fixture
async def bus(nats_url: Callable[[str], str]) -> AsyncIterator[Bus]:
    nc = await connect(nats_url("operator"), "operator")
    yield Bus(nc)
    await drain(nc)
