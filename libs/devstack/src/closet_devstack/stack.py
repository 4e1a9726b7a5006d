"""Everything on one machine: the servers, the vendor, the five services and their replicas."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from closet_contracts.ownership import Service

from closet_devstack import bus, environment
from closet_devstack.databases import ServiceDatabases
from closet_devstack.folders import claimed, throw_away
from closet_devstack.parts import choose_nats, choose_postgres, choose_s3
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.sandbox.stripe.remote import Remote as StripeRemote
from closet_devstack.servers.base import Part
from closet_devstack.servers.perfect import PerfectServer
from closet_devstack.servers.stripe import StripeServer
from closet_devstack.service import ServiceProcess

WEBHOOK_PATH = "/webhooks/perfect"
STRIPE_WEBHOOK_PATH = "/webhooks/stripe"
_HOLD_S3_KEYS = {Service.UPLOAD_SIGNER, Service.PERFECT_ADAPTER}


@dataclass(frozen=True)
class StackOptions:
    """How a stack is to be."""

    folder: Path | None = None
    """Where the data stays; without it, it is thrown away."""
    durable: bool = True
    """Flush to disk before anything is acknowledged."""
    sandbox: Sequence[str] = ()
    """The vendor's command line options."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """For every service."""
    gateway_port: int | None = None
    """Taken if it is free."""
    stripe: bool = False
    """With Stripe's sandbox, to which billing-meter is connected."""


class Stack:
    """`async with Stack() as stack: await stack.start_services()`.

    What can be stopped and started goes by its name: `nats`, `postgres`, `s3`, `perfect`, `stripe`, or a service's.
    """

    def __init__(self, options: StackOptions | None = None) -> None:
        self.options = options or StackOptions()
        self._exits = AsyncExitStack()
        self._servers: list[Part] = []
        self._replicas: dict[tuple[Service, int], ServiceProcess] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._exits.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()

    async def _open(self) -> None:
        options = self.options
        self.folder = self._exits.enter_context(throw_away() if options.folder is None else claimed(options.folder))
        self._exits.push_async_callback(self._close)
        self.nats = choose_nats(self.folder / "nats", durable=options.durable)
        self.postgres = choose_postgres(self.folder / "postgres", durable=options.durable)
        self.s3 = choose_s3(self.folder / "s3")
        self.perfect = PerfectServer(self.folder / "perfect", options.sandbox)
        self.stripe = StripeServer(self.folder / "stripe") if options.stripe else None
        self._servers = [self.nats, self.postgres, self.s3, self.perfect, *filter(None, [self.stripe])]
        await _together(asyncio.to_thread(server.start) for server in self._servers)
        self.vendor = Remote(self.perfect.url)
        self._databases = ServiceDatabases(self.postgres)
        await _together([bus.provision(self.nats.url()), self._databases.ensure()])
        self._token_key = environment.token_key(self.folder / "token-key.pem")

    async def _close(self) -> None:
        await _together(asyncio.to_thread(replica.stop) for replica in self._replicas.values())
        keeps = self.options.folder is not None
        await _together(asyncio.to_thread(server.stop if keeps else server.discard) for server in self._servers)

    def replica(self, service: Service | str, number: int = 0) -> ServiceProcess:
        """A service's process, whether it runs or not."""
        key = Service(service), number
        if key not in self._replicas:
            port = self.options.gateway_port if key == (Service.KIOSK_GATEWAY, 0) else None
            folder = self.folder / "services"
            self._replicas[key] = ServiceProcess(*key, folder, lambda: self.env_for(*key), port)
        return self._replicas[key]

    def ended(self) -> list[str]:
        """Replicas that ended although nobody stopped them."""
        return [
            f"{one.name} ended with {one.returncode}" for one in self._replicas.values() if one.returncode is not None
        ]

    def url(self, service: Service | str, replica: int = 0) -> str:
        """Where a service answers HTTP."""
        return self.replica(service, replica).url

    def admin_url(self, service: Service | str, replica: int = 0) -> str:
        """Where a service answers operators: `/metrics`, and `/readyz` with reasons."""
        return self.replica(service, replica).admin_url

    def env_for(self, service: Service | str, replica: int = 0) -> dict[str, str]:
        """A service's whole environment."""
        service = Service(service)
        env = {
            **environment.inherited(),
            "CLOSET_DATABASE_URL": self._databases.url(service),
            "CLOSET_MIGRATIONS_URL": self._databases.owner_url(service),
            "CLOSET_NATS_URL": self.nats.url(service),
            "CLOSET_HTTP_HOST": "127.0.0.1",
            "CLOSET_HTTP_PORT": str(self.replica(service, replica).port),
            "CLOSET_ADMIN_PORT": str(self.replica(service, replica).admin_port),
        }
        if service in _HOLD_S3_KEYS:
            env |= self.s3.env(service)
        if service is Service.PERFECT_ADAPTER:
            env |= self.perfect.env()
        if service is Service.BILLING_METER and self.stripe:
            env |= self.stripe.env()
        if service is Service.KIOSK_GATEWAY:
            env |= {"CLOSET_TOKEN_KEY_FILE": str(self._token_key), "CLOSET_PUBLIC_URL": self.url(service)}
        return {**env, **self.options.environment}

    async def start_service(self, service: Service | str, replica: int = 0, **env: str) -> ServiceProcess:
        """Start a replica and wait until it is ready; `env` is added to its environment, also when it is restarted.

        Raises:
            DidNotStart: with its last log lines.
        """
        process = self.replica(service, replica)
        process.extra = env
        await asyncio.to_thread(process.start)
        if process.service is Service.PERFECT_ADAPTER:
            await self._tell_vendor()
        if process.service is Service.BILLING_METER and self.stripe:
            await StripeRemote(self.stripe.url).change(webhook_url=process.url + STRIPE_WEBHOOK_PATH)
        return process

    async def start_services(self, replicas: int = 1, **env: str) -> None:
        """All five, side by side."""
        await _together(self.start_service(service, number, **env) for number in range(replicas) for service in Service)

    async def stop(self, name: str, replica: int = 0) -> None:
        """In good order."""
        await asyncio.to_thread(self._named(name, replica).stop)

    async def kill(self, name: str, replica: int = 0) -> None:
        """By SIGKILL."""
        await asyncio.to_thread(self._named(name, replica).kill)

    async def start(self, name: str, replica: int = 0) -> None:
        """Again, where it was."""
        await asyncio.to_thread(self._named(name, replica).start)

    async def restart(self, name: str, replica: int = 0) -> None:
        """Stop in good order and start again."""
        await asyncio.to_thread(self._named(name, replica).restart)

    async def command(self, service: Service | str, *arguments: str) -> str:
        """Run a service's own command line (`stack.command("billing-meter", "grant", ...)`); what it printed.

        Raises:
            subprocess.CalledProcessError: it failed; the error's notes hold what it said.
        """
        return await asyncio.to_thread(self.replica(service).command, arguments)

    def _named(self, name: str, replica: int) -> Part:
        for server in self._servers:
            if server.name == name:
                return server
        return self.replica(name, replica)

    async def _tell_vendor(self) -> None:
        """Every replica of the adapter is a webhook endpoint of the account."""
        adapters = [process for process in self._replicas.values() if process.service is Service.PERFECT_ADAPTER]
        await self.vendor.change(webhook_urls=[process.url + WEBHOOK_PATH for process in adapters])


async def _together(work: Iterable[Awaitable[object]]) -> None:
    """Side by side. Nothing is left half started: when one fails or we are cancelled, the others are waited for."""
    gathering = asyncio.gather(*work, return_exceptions=True)
    try:
        outcomes = await asyncio.shield(gathering)
    except asyncio.CancelledError:
        await gathering
        raise
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
