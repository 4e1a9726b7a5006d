"""A service's place on the bus, wired: what every service's `app.build` opens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from closet_chassis.lifecycle import Process
from closet_chassis.postgres import Pool
from closet_contracts.catalog import subscriptions_of
from closet_contracts.model import Model
from closet_contracts.nouns import Service
from closet_contracts.rpc import Request
from nats.aio.client import Client
from nats.aio.subscription import Subscription as BellRope
from nats.js import JetStreamContext

from closet_messaging import backlog, bells, rpc
from closet_messaging.connection import connect, drain
from closet_messaging.consumer import BACKOFF_S, Consumer, Handlers
from closet_messaging.desk import Desk
from closet_messaging.lineage import verify_lineage
from closet_messaging.overdue import Overdue
from closet_messaging.relay import Relay
from closet_messaging.rpc import RpcHandler
from closet_messaging.streams import subscriptions, verify
from closet_messaging.sweeper import Sweeper
from closet_messaging.unit import Tx, transaction

log = structlog.get_logger(__name__)
R = TypeVar("R", bound=Model)

FINISH_S = 8.0
FLUSH_S = 5.0


class WrongHandlers(Exception):
    """The service's table of handlers and the catalogue's subscriptions differ."""


@dataclass(frozen=True, slots=True)
class Bus:
    """What a service does on the bus."""

    service: Service
    nc: Client
    js: JetStreamContext
    pool: Pool
    relay: Relay
    overdue: Overdue

    def transaction(self) -> AbstractAsyncContextManager[Tx]:
        """A unit of work of its own, for whoever is not handling an event."""
        return transaction(self.pool, self.relay)

    async def ask(self, request: Request[R], *, timeout_s: float | None = None) -> R:
        """Ask another service; see `rpc.ask`."""
        return await rpc.ask(self.nc, request, timeout_s=timeout_s)

    async def ring(self, name: str, payload: bytes = b"") -> None:
        """Ring a bell on every replica of this service; see `bells`."""
        await bells.ring(self.nc, self.service, name, payload)

    async def listen(self, name: str, callback: Callable[[bytes], None]) -> BellRope:
        """Hear a bell of this service; see `bells`."""
        return await bells.listen(self.nc, self.service, name, callback)


@asynccontextmanager
async def open_bus(  # noqa: PLR0913 the last two have defaults
    process: Process[Any],
    service: Service,
    pool: Pool,
    handlers: Handlers,
    requests: Mapping[type[Request[Any]], RpcHandler] | None = None,
    *,
    backoff_s: Sequence[float] = BACKOFF_S,
) -> AsyncIterator[Bus]:
    """Connect, check streams and consumers; then relay, consume and answer until the block ends.

    At its end: take no more, finish what is in hand, publish what that emitted, drain, in this order.

    Args:
        process: the process, whose stack this is entered on.
        service: who.
        pool: its database, migrated.
        handlers: what to do with each event that the catalogue says it reads.
        requests: how to answer each request.
        backoff_s: how long an event that failed waits before each further attempt.

    Raises:
        WrongHandlers: an event that the catalogue says the service reads has no handler, or the other way round.
        Drift: streams or consumers are not as the catalogue says.
        DatabaseBehindBus: the database was restored from a backup and has not been recovered.
    """
    _check_handlers(service, handlers)
    consumers: list[Consumer] = []
    async with _connection(process, service, consumers) as nc:
        await verify(nc.jetstream(), service)
        await verify_lineage(nc.jetstream(), pool, service)
        relay = Relay(pool, nc, service)
        process.background.start("relay", relay.run())
        overdue = Overdue(service, process.settings.outbox_max_age_s)
        process.background.start("sweeper", Sweeper(pool, nc, overdue).run())
        desk = Desk(pool, relay, handlers)
        process.background.start("desk", desk.run())
        consumers += [Consumer(nc, desk, one, backoff_s) for one in subscriptions(service)]
        tasks = [process.background.start("consumer", consumer.run()) for consumer in consumers]
        process.background.start("backlog", backlog.watch(nc.jetstream(), list(subscriptions(service))))
        _add_checks(process, nc, consumers, overdue)
        try:
            async with rpc.serve(nc, service, requests or {}):
                try:
                    yield Bus(service, nc, nc.jetstream(), pool, relay, overdue)
                finally:
                    await _finish(consumers, tasks)
        finally:
            await relay.flush(FLUSH_S)


@asynccontextmanager
async def _connection(process: Process[Any], service: Service, consumers: Sequence[Consumer]) -> AsyncIterator[Client]:
    leaving = asyncio.Event()

    def reconnected() -> None:
        for consumer in consumers:
            consumer.renew()

    def closed() -> None:
        if not leaving.is_set():
            log.critical("bus_closed")
            process.background.crash()

    nc = await connect(process.settings.nats_url, service, reconnected=reconnected, closed=closed)
    try:
        yield nc
    finally:
        leaving.set()
        await drain(nc)


def _check_handlers(service: Service, handlers: Handlers) -> None:
    declared = {event_type for _, types in subscriptions_of(service) for event_type in types}
    if wrong := declared ^ {model.TYPE for model in handlers}:
        raise WrongHandlers(f"{service}: the catalogue and the handlers differ in {', '.join(sorted(wrong))}")


def _add_checks(process: Process[Any], nc: Client, consumers: Sequence[Consumer], overdue: Overdue) -> None:
    async def connected() -> str | None:
        return None if nc.is_connected else "not connected"

    async def consuming() -> str | None:
        return "; ".join(filter(None, (consumer.check() for consumer in consumers))) or None

    process.readiness.add("bus", connected)
    process.readiness.add("consumers", consuming)
    process.readiness.add("outbox", overdue.check)


async def _finish(consumers: Sequence[Consumer], tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*(consumer.stop() for consumer in consumers))
    _, late = await asyncio.wait(tasks, timeout=FINISH_S)
    if late:
        log.warning("consumers_not_finished", consumers=len(late))
