"""Requests and replies between services over NATS: queries only, so asking again is always safe."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import structlog
from closet_chassis.postgres import is_unavailable
from closet_chassis.telemetry import current_traceparent, span_from
from closet_contracts.model import Model
from closet_contracts.ownership import Service
from closet_contracts.rpc import Request, RpcFault
from nats import micro
from nats.aio.client import Client
from nats.errors import Error
from nats.micro.request import ERROR_CODE_HEADER
from nats.micro.request import Handler as MicroHandler
from nats.micro.request import Request as MicroRequest
from nats.micro.service import Service as MicroService
from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from closet_messaging.connection import wait_until_processed

log = structlog.get_logger(__name__)

R = TypeVar("R", bound=Model)
RpcHandler = Callable[[Any], Awaitable[Model]]

VERSION = "1.0.0"
CONCURRENT = 64
TIMEOUT_S = 2.0
FINISH_S = 5.0
_UNAVAILABLE = "unavailable"


class RpcFailed(Exception):
    """The answerer understood and refused; `code` is stable, `detail` is a sentence.

    A handler raises it to refuse, `ask` raises it for the asker.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class RpcUnavailable(Exception):
    """Nobody answered in time, nobody is there, or what they need is away; asking again later is safe."""


@asynccontextmanager
async def serve(nc: Client, service: Service, handlers: Mapping[type[Request[Any]], RpcHandler]) -> AsyncIterator[None]:
    """Answer requests while the block runs, shared with other replicas. At its end, finish those in progress."""
    if not handlers:
        yield
        return
    endpoint = _Endpoint()
    server = await micro.add_service(nc, name=service, version=VERSION)
    for request, handler in handlers.items():
        await server.add_endpoint(
            name=request.SUBJECT.split(".")[3], subject=request.SUBJECT, handler=endpoint.of(request, handler)
        )
    await wait_until_processed(nc)
    try:
        yield
    finally:
        await _stop(nc, server)
        await endpoint.finish()


async def ask(nc: Client, request: Request[R], *, timeout_s: float | None = None) -> R:
    """Ask and wait for the answer, `TIMEOUT_S` seconds unless told.

    Raises:
        RpcFailed: the answerer refused.
        RpcUnavailable: no answer within that time, or none for the moment.
    """
    timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
    with span_from(current_traceparent(), f"ask {request.SUBJECT}", SpanKind.CLIENT):
        headers = {"traceparent": traceparent} if (traceparent := current_traceparent()) else None
        try:
            answer = await nc.request(request.SUBJECT, request.model_dump_json().encode(), timeout_s, headers=headers)
        except (Error, OSError) as error:
            raise RpcUnavailable(f"{request.SUBJECT}: {type(error).__name__}") from error
        if answer.headers and ERROR_CODE_HEADER in answer.headers:
            fault = RpcFault.model_validate_json(answer.data)
            if fault.code == _UNAVAILABLE:
                raise RpcUnavailable(f"{request.SUBJECT}: {fault.detail}")
            raise RpcFailed(fault.code, fault.detail)
        return cast("R", request.REPLY.model_validate_json(answer.data))


async def _stop(nc: Client, server: MicroService) -> None:
    """Take no new requests. The server's own `stop` would drop those that have just arrived."""
    subscriptions = [one._subscription for one in server._endpoints]  # noqa: SLF001 see above
    if nc.is_connected:
        await asyncio.gather(*(one.drain() for one in subscriptions if one), return_exceptions=True)


class _Endpoint:
    """Answers requests side by side: nats-py by itself would take the next only after the last."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(CONCURRENT)
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, request: type[Request[Any]], handler: RpcHandler) -> MicroHandler:
        async def take(message: MicroRequest) -> None:
            await self._slots.acquire()
            task = asyncio.create_task(self._answer(message, request, handler))
            self._tasks.add(task)
            task.add_done_callback(self._done)

        return take

    async def finish(self) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=FINISH_S)
            for task in late:
                task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def _answer(self, message: MicroRequest, request: type[Request[Any]], handler: RpcHandler) -> None:
        traceparent = (message.headers or {}).get("traceparent")
        try:
            with span_from(traceparent, f"answer {request.SUBJECT}", SpanKind.SERVER):
                reply = await handler(request.model_validate_json(message.data))
            await message.respond(reply.model_dump_json().encode())
        except Exception as error:  # noqa: BLE001 the asker gets an answer whatever happens
            await _refuse(message, request.SUBJECT, error)


async def _refuse(message: MicroRequest, subject: str, error: Exception) -> None:
    fault = _fault(error)
    if fault.code == "internal":
        log.error("rpc_failed", subject=subject, exc_info=error)
    try:
        await message.respond_error(fault.code, fault.code, fault.model_dump_json().encode())
    except (Error, OSError) as lost:
        log.warning("rpc_answer_lost", subject=subject, error=type(lost).__name__)


def _fault(error: Exception) -> RpcFault:
    if isinstance(error, RpcFailed):
        return RpcFault(code=error.code, detail=error.detail)
    if isinstance(error, ValidationError):
        # Where it is wrong, never what it said.
        where = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors(include_input=False)}))
        return RpcFault(code="invalid_request", detail=f"not valid: {where}")
    if is_unavailable(error):
        return RpcFault(code=_UNAVAILABLE, detail="the answerer's database is away")
    return RpcFault(code="internal", detail="the answerer failed")
