"""The life of a process: wire, serve, stop in order."""

import asyncio
import faulthandler
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog
import uvloop
from aiohttp import web
from pydantic import ValidationError

from closet_chassis.background import Background
from closet_chassis.connections import ConnectionLimits, raise_file_limit
from closet_chassis.http import make_admin_app, make_http_app
from closet_chassis.logs import setup_logging
from closet_chassis.readiness import Readiness
from closet_chassis.serving import serve
from closet_chassis.settings import ServiceSettings, explain
from closet_chassis.telemetry import FLUSH_TIMEOUT_S, setup_telemetry

__all__ = ["Background", "Process", "Readiness", "StartRefused", "run"]

log = structlog.get_logger(__name__)
S = TypeVar("S", bound=ServiceSettings)

CRASHED = 1
WRONG_SETTINGS = 2
START_REFUSED = 3
HARD_EXIT_MARGIN_S = FLUSH_TIMEOUT_S + 2.0


@dataclass(frozen=True, slots=True)
class Process(Generic[S]):
    """What `build` wires together. `stack` closes in reverse order when the process stops."""

    settings: S
    stack: AsyncExitStack
    readiness: Readiness
    background: Background
    app: web.Application
    stopping: asyncio.Event  # set when the process is to stop: end streams and long polls, take no new work
    admin: web.Application = field(default_factory=web.Application)  # served on the admin port, to operators only


class StartRefused(Exception):
    """What is there is not fit to work with until an operator has acted; the message says how."""


Build = Callable[[Process[S]], Awaitable[None]]


def run(service: str, settings: type[S], build: Build[S]) -> int:
    """Run a service until it is asked to stop.

    SIGTERM or SIGINT: not ready any more, `stopping` is set, HTTP finishes what it has, then `stack` unwinds, all
    within `stop_timeout_s`. A second signal, or a stop that hangs, ends the process at once.

    Returns:
        The exit code: 0 after an orderly stop, 1 after a crash, 2 if settings are missing or wrong, 3 if an operator
        has to act first.
    """
    try:
        values = settings.model_validate({})
    except ValidationError as error:
        sys.stderr.write(f"{service}: {explain(settings, error)}\n")
        return WRONG_SETTINGS
    setup_logging(service, values.log_level)
    flush = setup_telemetry(service)
    try:
        return uvloop.run(_live(service, values, build))
    finally:
        flush()
        faulthandler.cancel_dump_traceback_later()


async def _live(service: str, settings: S, build: Build[S]) -> int:
    process = _new_process(service, settings)
    _stop_on_signals(process.stopping)
    try:
        failed = not await _started(process, build)
    except StartRefused as refused:
        log.critical("start_refused", reason=str(refused))
        await _stopped(process)
        return START_REFUSED
    if not failed:
        await process.stopping.wait()
    failed |= not await _stopped(process)
    return CRASHED if failed or process.background.crashed else 0


def _new_process(service: str, settings: S) -> Process[S]:
    stopping = asyncio.Event()
    stack = AsyncExitStack()
    readiness = Readiness()
    return Process(
        settings=settings,
        stack=stack,
        readiness=readiness,
        background=Background(stack, stopping.set),
        app=make_http_app(
            service, readiness, body_timeout_s=settings.http_body_timeout_s, idle_timeout_s=settings.http_idle_timeout_s
        ),
        stopping=stopping,
        admin=make_admin_app(service, readiness),
    )


async def _started(process: Process[S], build: Build[S]) -> bool:
    try:
        async with _given_up_when(process.stopping):
            await build(process)
        if not process.stopping.is_set():
            await process.stack.enter_async_context(_serving(process))
    except StartRefused:
        raise
    except Exception:
        log.critical("start_failed", exc_info=True)
        return False
    # What exists now lives until the end: the collector need not walk it again and again.
    gc.collect()
    gc.freeze()
    return True


@asynccontextmanager
async def _given_up_when(event: asyncio.Event) -> AsyncIterator[None]:
    """Give the block up once `event` is set."""
    scope = asyncio.timeout(None)

    async def watch() -> None:
        await event.wait()
        scope.reschedule(0)

    watcher = asyncio.create_task(watch())
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
    finally:
        watcher.cancel()


@asynccontextmanager
async def _serving(process: Process[S]) -> AsyncIterator[None]:
    settings = process.settings
    limits = _limits(settings)
    # A quarter of the time for handlers to end, another for them to be cancelled; the rest is for what they used.
    timeout_s = settings.stop_timeout_s / 4
    async with (
        serve(process.admin, settings.admin_host, settings.admin_port, ConnectionLimits(), 1) as (_, admin_port),
        serve(process.app, settings.http_host, settings.http_port, limits, timeout_s) as (host, port),
    ):
        log.info("started", host=host, port=port, admin_port=admin_port, max_connections=limits.total)
        yield


def _limits(settings: ServiceSettings) -> ConnectionLimits:
    return ConnectionLimits(
        header_timeout_s=settings.http_header_timeout_s,
        write_timeout_s=settings.http_write_timeout_s,
        total=min(settings.http_max_connections, raise_file_limit()),
        per_address=settings.http_max_connections_per_address,
        proxies=settings.http_proxies,
    )


async def _stopped(process: Process[S]) -> bool:
    process.stopping.set()
    process.readiness.stop()
    log.info("stopping")
    # Works even when the loop is blocked: the process ends, and says where it hung.
    faulthandler.dump_traceback_later(process.settings.stop_timeout_s + HARD_EXIT_MARGIN_S, exit=True)
    try:
        async with asyncio.timeout(process.settings.stop_timeout_s):
            await process.stack.aclose()
    except Exception:
        log.critical("stop_failed", exc_info=True)
        return False
    log.info("stopped")
    return True


def _stop_on_signals(stopping: asyncio.Event) -> None:
    def on_signal(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
