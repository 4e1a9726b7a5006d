"""A service's connection to the bus, wired: what every service's `app.build` opens."""

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
from closet_contracts.ownership import Service
from closet_contracts.rpc import Request
from nats.aio.client import Client
from nats.aio.subscription import Subscription as NotificationSubscription

from closet_messaging import notifications, rpc
from closet_messaging.connection import connect, drain
from closet_messaging.consumer import Consumer
from closet_messaging.inbox import BatchProcessor, Handlers
from closet_messaging.metrics import watch_backlog
from closet_messaging.outbox import verify_database_is_current
from closet_messaging.relay import Relay
from closet_messaging.retries import BACKOFF_S
from closet_messaging.rpc import RpcHandler
from closet_messaging.streams import subscriptions, verify
from closet_messaging.sweeper import OverdueMonitor, Sweeper
from closet_messaging.transaction import Tx, transaction

log = structlog.get_logger(__name__)
R = TypeVar("R", bound=Model)

FINISH_S = 8.0
FLUSH_S = 5.0


class WrongHandlers(Exception):
    """The service's table of handlers and the catalogue's subscriptions differ."""


@dataclass(frozen=True, slots=True)
class Bus:
    """What a service does on the bus. Events go out through `transaction` and the outbox only."""

    service: Service
    pool: Pool
    overdue: OverdueMonitor
    _nc: Client
    _relay: Relay
    _processor: BatchProcessor

    def transaction(self) -> AbstractAsyncContextManager[Tx]:
        """Open a unit of work outside the handling of an event."""
        return transaction(self.pool, self._relay)

    async def ask(self, request: Request[R], *, timeout_s: float | None = None) -> R:
        """Ask another service; see `rpc.ask`."""
        return await rpc.ask(self._nc, request, timeout_s=timeout_s)

    async def notify(self, name: str, payload: bytes = b"") -> None:
        """Notify every replica of this service; see `notifications`."""
        await notifications.notify(self._nc, self.service, name, payload)

    async def subscribe(self, name: str, on_notification: Callable[[bytes], None]) -> NotificationSubscription:
        """Call `on_notification` with each notification of that name; see `notifications`."""
        return await notifications.subscribe(self._nc, self.service, name, on_notification)


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

    At its end: pull no more, finish what has begun, publish what that emitted, drain, in this order.

    Args:
        process: the process, on whose stack this is entered.
        service: the service.
        pool: its database, migrated.
        handlers: a handler for each event type that the catalogue says it consumes.
        requests: a handler for each request that it answers.
        backoff_s: seconds that an event that failed waits before each further attempt.

    Raises:
        WrongHandlers: an event that the catalogue says the service reads has no handler, or the other way round.
        Drift: streams or consumers are not as the catalogue says.
        DatabaseBehindBus: the database was restored from a backup and has not been recovered.
    """
    _check_handlers(service, handlers)
    consumers: list[Consumer] = []
    async with _connection(process, service, consumers) as nc:
        await verify(nc.jetstream(), service)
        await verify_database_is_current(nc.jetstream(), pool, service)
        relay = Relay(pool, nc, service)
        process.background.start("relay", relay.run())
        overdue = OverdueMonitor(service, process.settings.outbox_max_age_s)
        process.background.start("sweeper", Sweeper(pool, nc, overdue).run())
        processor = BatchProcessor(pool, relay, handlers)
        process.stack.callback(processor.cancel)
        consumers += [Consumer(nc, processor, one, backoff_s) for one in subscriptions(service)]
        tasks = [process.background.start("consumer", consumer.run()) for consumer in consumers]
        process.background.start("backlog", watch_backlog(nc.jetstream(), list(subscriptions(service))))
        _add_checks(process, nc, consumers, overdue)
        try:
            async with rpc.serve(nc, service, requests or {}):
                try:
                    yield Bus(service, pool, overdue, nc, relay, processor)
                finally:
                    await _finish(consumers, tasks)
        finally:
            await relay.flush(FLUSH_S)


@asynccontextmanager
async def _connection(process: Process[Any], service: Service, consumers: Sequence[Consumer]) -> AsyncIterator[Client]:
    leaving = asyncio.Event()

    def on_reconnected() -> None:
        for consumer in consumers:
            consumer.renew()

    def on_closed() -> None:
        if not leaving.is_set():
            log.critical("bus_closed")
            process.background.crash()

    nc = await connect(process.settings.nats_url, service, on_reconnected=on_reconnected, on_closed=on_closed)
    try:
        yield nc
    finally:
        leaving.set()
        await drain(nc)


def _check_handlers(service: Service, handlers: Handlers) -> None:
    declared = {event_type for _, types in subscriptions_of(service) for event_type in types}
    if wrong := declared ^ {model.TYPE for model in handlers}:
        raise WrongHandlers(f"{service}: the catalogue and the handlers differ in {', '.join(sorted(wrong))}")


def _add_checks(process: Process[Any], nc: Client, consumers: Sequence[Consumer], overdue: OverdueMonitor) -> None:
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
