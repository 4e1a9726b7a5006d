"""Replicas of the service on a real database and bus; the test plays the other services."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from closet_chassis.background import Background
from closet_chassis.http import make_http_app
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import Pool, close_pool, create_pool
from closet_chassis.readiness import Readiness
from closet_contracts.codec import decode, encode
from closet_contracts.credit import CreditBalanceChanged, CreditPricesPublished, PriceBook, Tier, Unpriceable, price
from closet_contracts.envelope import Event, EventData, new_event
from closet_contracts.ids import new_id
from closet_contracts.job import JobAccepted, JobCompleted, JobFailed
from closet_contracts.ownership import Service
from closet_contracts.render import RenderStarted, ResultFile
from closet_contracts.rpc import (
    ListTemplates,
    Quote,
    QuotePrice,
    ReadStatement,
    SignedGets,
    SignedPut,
    SignGet,
    SignPut,
    Statement,
    StatementLine,
    Template,
    TemplatePage,
)
from closet_contracts.work import TryOn
from closet_devstack.testing import eventually
from closet_messaging import rpc
from closet_messaging.connection import connect, drain
from closet_storage.keys import upload_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jsonschema import Draft202012Validator
from kiosk_gateway.app import build
from kiosk_gateway.http.openapi import document
from kiosk_gateway.http.routes import ROUTES
from kiosk_gateway.settings import Settings
from nats.aio.client import Client

PACKAGES = ("closet_messaging", "kiosk_gateway")
BOOK = PriceBook(
    version="2026-01",
    credits={"tryon": 5, "text2img": 3, "edit": 4, "batch": 2, "hairstyle": 5},
    tiers={"skin-analysis": {"sd": (Tier(up_to=4, credits=18),), "hd": (Tier(up_to=4, credits=24),)}},
)
TEMPLATES = [Template(template_id=f"hair-{number}", title=f"Style {number}") for number in range(5)]
KEYS = {"acme": "clk_acme_0123456789abcdefghij", "other": "clk_other_0123456789abcdefghij"}


DESCRIPTION = document(ROUTES)


def check_documented(method: str, path: str, status: int, body: Any) -> None:
    """Check an answer against the API's description."""
    bare = path.partition("?")[0]
    (item,) = [
        item
        for template, item in DESCRIPTION["paths"].items()
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), bare)
    ]
    described = item[method.lower()]["responses"][str(status)]
    for media, content in described.get("content", {}).items():
        if "json" in media:
            schema = {**content["schema"], "components": DESCRIPTION["components"]}
            Draft202012Validator(schema).validate(body)


@dataclass
class Answer:
    status: int
    headers: Any
    body: Any

    @property
    def code(self) -> str:
        """The problem's, checked on the way to be one."""
        assert self.headers["Content-Type"].startswith("application/problem+json")
        assert self.body["status"] == self.status
        return str(self.body["code"])


@dataclass
class Api:
    """One replica, spoken to by one user."""

    session: aiohttp.ClientSession
    base: str
    headers: dict[str, str] = field(default_factory=dict)

    async def call(
        self, method: str, path: str, body: Any = None, *, raw: bytes | BytesIO | None = None, **headers: Any
    ) -> Answer:
        """`headers` are given with underscores for hyphens."""
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data: dict[str, Any] = {"json": body} if raw is None else {"data": raw}
        async with self.session.request(
            method, f"{self.base}{path}", headers=sent, allow_redirects=False, **(data if method != "GET" else {})
        ) as response:
            text = await response.read()
            json = "json" in response.content_type
            body = await response.json(content_type=None) if json else text
        check_documented(method, path, response.status, body)
        return Answer(response.status, response.headers, body)

    async def get(self, path: str, **headers: Any) -> Answer:
        return await self.call("GET", f"/api{path}", **headers)

    async def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: Any) -> Answer:
        if key:
            headers["Idempotency_Key"] = key
        return await self.call("POST", f"/api{path}", {} if body is None else body, **headers)

    async def upload(self) -> str:
        ticket = await self.post("/gen/upload-url", {"filename": "a.png", "contentType": "image/png", "size": 1000})
        assert ticket.status == 200, ticket
        return str(ticket.body["key"])

    async def try_on_body(self) -> dict[str, Any]:
        """The body of a try-on with fresh uploads."""
        return {"personKey": await self.upload(), "itemKey": await self.upload(), "consent": True}

    async def consent(self) -> None:
        assert (await self.post("/consent", {"given": True})).status == 200

    async def try_on(self) -> str:
        created = await self.post("/gen/tryon", await self.try_on_body())
        assert created.status == 202, created
        return str(created.body["jobId"])


@dataclass
class Replica:
    """The service, as its process runs it."""

    process: Process[Settings]
    stack: AsyncExitStack
    session: aiohttp.ClientSession
    base: str

    async def user(self, user: str = "u-1", tenant: str = "acme", scopes: list[str] | None = None) -> Api:
        api = Api(self.session, self.base)
        body = {"userId": user, **({"scopes": scopes} if scopes else {})}
        answer = await api.post("/auth/token", body, Authorization=f"Bearer {KEYS[tenant]}")
        assert answer.status == 200, answer
        return Api(self.session, self.base, {"Authorization": f"Bearer {answer.body['accessToken']}"})

    async def stop(self) -> None:
        await self.stack.aclose()


@dataclass
class Bus:
    """The bus, as the other services use it."""

    nc: Client

    async def publish(self, *events: Event[EventData]) -> None:
        """Publish events without their message ids, so that an event published twice is in the stream twice."""
        for event in events:
            await self.nc.jetstream().publish(event.type, encode(event))

    async def emit(self, data: EventData, tenant: str = "acme") -> None:
        await self.publish(new_event(data, tenant=tenant))

    async def events(self, stream: str) -> list[Event[EventData]]:
        """The events that a stream holds, oldest first."""
        js = self.nc.jetstream()
        last = (await js.stream_info(stream)).state.last_seq
        return [decode((await js.get_msg(stream, seq)).data or b"") for seq in range(1, last + 1)]

    async def balance(self, available: int, version: int, tenant: str = "acme") -> None:
        account = f"tenant:{tenant}"
        await self.emit(
            CreditBalanceChanged(account_id=account, balance=available, held=0, available=available, version=version),
            tenant,
        )


async def sign_put(request: SignPut) -> SignedPut:
    key = upload_key(request.tenant_id, request.upload_id)
    return SignedPut(
        url=f"https://s3.test/{key}", headers={"Content-Type": request.content_type}, key=key, expires_in=600
    )


async def sign_get(request: SignGet) -> SignedGets:
    return SignedGets(urls=tuple(f"https://s3.test/{key}?signed" for key in request.keys), expires_in=3600)


async def quote_price(request: QuotePrice) -> Quote:
    if request.user_id == "unpriceable":
        raise rpc.RpcFailed("unpriceable", "the price book has no price for this")
    try:
        quoted = price(BOOK, request.item)
    except Unpriceable as error:
        raise rpc.RpcFailed("unpriceable", str(error)) from error
    return Quote(
        quote_id=new_id("quo"),
        price=quoted,
        description="A try-on",
        expires_at=datetime.now(UTC) + timedelta(minutes=-10 if request.user_id == "slow" else 10),
        balance=3,
        sufficient=False,
    )


async def read_statement(request: ReadStatement) -> Statement:
    if request.account_id != "tenant:acme":
        raise rpc.RpcFailed("unknown_account", "There is no such wallet.")
    if request.after and not request.after.isdecimal():
        raise rpc.RpcFailed("invalid_cursor", "This cursor is not one that was given out here.")
    line = StatementLine(
        at=request.since,
        transaction_id="1",
        kind="capture",
        cause="job_1",
        amount=-5,
        balance_after=95,
        actor="jo",
        job_id="job_1",
        renders=("job_1.0.1",),
        trace_id="0af7651916cd43dd8448eb211c80319c",
        usd_cents=-50,
    )
    return Statement(
        account_id=request.account_id,
        since=request.since,
        until=request.until,
        opening=100,
        closing=95,
        lines=(line,),
        next_after=None if request.after else "1",
        usd_cents_per_credit=10,
    )


async def list_templates(request: ListTemplates) -> TemplatePage:
    if request.cursor == "early":
        raise rpc.RpcFailed("templates_unavailable", "The templates are not known yet.")
    if request.cursor and not request.cursor.isdigit():
        raise rpc.RpcFailed("invalid_cursor", "This cursor is not one that was given out here.")
    start = int(request.cursor or 0)
    end = start + request.limit
    return TemplatePage(templates=tuple(TEMPLATES[start:end]), next_cursor=str(end) if end < len(TEMPLATES) else None)


@pytest.fixture
async def bus(nats_url: Callable[[str], str]) -> AsyncIterator[Bus]:
    nc = await connect(nats_url("operator"), "operator")
    yield Bus(nc)
    await drain(nc)


@asynccontextmanager
async def answerers(nats_url: Callable[[str], str]) -> AsyncIterator[None]:
    """Small stand-ins for the services that the gateway asks, on the real bus with their own users."""
    signer = await connect(nats_url("upload-signer"), Service.UPLOAD_SIGNER)
    billing = await connect(nats_url("billing-meter"), Service.BILLING_METER)
    adapter = await connect(nats_url("perfect-adapter"), Service.PERFECT_ADAPTER)
    async with (
        rpc.serve(signer, Service.UPLOAD_SIGNER, {SignPut: sign_put, SignGet: sign_get}),
        rpc.serve(billing, Service.BILLING_METER, {QuotePrice: quote_price, ReadStatement: read_statement}),
        rpc.serve(adapter, Service.PERFECT_ADAPTER, {ListTemplates: list_templates}),
    ):
        yield
    for nc in (signer, billing, adapter):
        await drain(nc)


@pytest.fixture
async def database_url(make_database: Callable[..., Awaitable[str]]) -> str:
    return await make_database(*PACKAGES)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """The service's database, to look into it."""
    pool = await create_pool(database_url, 10)
    yield pool
    await close_pool(pool)


@pytest.fixture
async def replica(
    pool: Pool,
    database_url: str,
    owner_url: str,
    nats_url: Callable[[str], str],
    bus: Bus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Callable[..., Awaitable[Replica]]]:
    """Starts the service as its process does; twice for two replicas. Two tenants and the prices are known."""
    monkeypatch.setattr(rpc, "TIMEOUT_S", 20.0)  # whoever asks and answers here shares a busy machine
    for tenant, api_key in KEYS.items():
        digest = hashlib.sha256(api_key.encode()).digest()
        await pool.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, $1)", tenant)
        await pool.execute("INSERT INTO api_keys (key_hash, tenant_id, prefix) VALUES ($1, $2, '')", digest, tenant)
    key_file = tmp_path / "token-key.pem"
    key = Ed25519PrivateKey.generate()
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    await bus.emit(CreditPricesPublished(book=BOOK, effective_from=datetime.now(UTC) - timedelta(days=1)), "closet")

    async with AsyncExitStack() as stacks, aiohttp.ClientSession() as session, answerers(nats_url):

        async def start(**settings: Any) -> Replica:
            stack = await stacks.enter_async_context(AsyncExitStack())
            stopping = asyncio.Event()
            readiness = Readiness()
            values = Settings(
                database_url=database_url,
                migrations_url=owner_url,
                nats_url=nats_url("kiosk-gateway"),
                token_key_file=key_file,
                **settings,
            )
            app = make_http_app(Service.KIOSK_GATEWAY, readiness)
            process = Process(values, stack, readiness, Background(stack, stopping.set), app, stopping)
            await build(process)
            server = TestServer(app)
            await server.start_server()
            stack.push_async_callback(server.close)

            async def ready() -> bool:
                return (await readiness.report()).ready

            await eventually(ready)
            return Replica(process, stack, session, f"http://{server.host}:{server.port}")

        yield start


def asset(key: str = "tenant/acme/results/x.png") -> ResultFile:
    return ResultFile(key=key, content_type="image/png", width=8, height=8, size_bytes=9, sha256="0" * 64)


@dataclass
class JobFacts:
    """The facts that follow a request."""

    job_id: str
    user_id: str = "u-1"
    version: int = 0

    def _next(self) -> dict[str, Any]:
        self.version += 1
        return {"job_id": self.job_id, "user_id": self.user_id, "version": self.version}

    def started(self, attempt: int = 1) -> RenderStarted:
        return RenderStarted(job_id=self.job_id, attempt=attempt, vendor_task_id="1")

    def accepted(self) -> JobAccepted:
        return JobAccepted(
            **self._next(), work=TryOn(), inputs=(), price=price(BOOK, TryOn().chargeable()), deadline=datetime.now(UTC)
        )

    def completed(self) -> JobCompleted:
        results = (asset(f"tenant/acme/results/{self.job_id}/result_0.png"),)
        return JobCompleted(**self._next(), kind="tryon", results=results, attempts=1, credits=5, vendor_ms=10)

    def failed(self, code: str = "person_not_found") -> JobFailed:
        problem: dict[str, Any] = {
            "message": "No person could be found in the photo.",
            "tip": "Stand in front of the camera.",
        }
        return JobFailed(**self._next(), code=code, **problem, attempts=1)


@pytest.fixture
def job_facts() -> type[JobFacts]:
    return JobFacts
