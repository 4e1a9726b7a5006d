"""Connections as clients hold them: silent, slow, many; on a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from closet_chassis.connections import ConnectionLimits, Connections
from closet_chassis.http import make_http_app, read_body, reply
from closet_chassis.readiness import Readiness
from closet_chassis.serving import serve
from closet_devstack.testing import eventually
from prometheus_client import REGISTRY

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
CLOSED = "closet_http_connections_closed_total"
SHORT = ConnectionLimits(header_timeout_s=0.2)


@asynccontextmanager
async def served(
    limits: ConnectionLimits, prepare: Callable[[web.Application], Any] = lambda _: None, **options: Any
) -> AsyncIterator[Callable[..., Any]]:
    """Gives what opens a connection, closed at the end."""
    app = make_http_app("svc", Readiness(), **options)

    async def take(request: web.Request) -> web.Response:
        return reply({"bytes": len(await read_body(request))})

    app.router.add_post("/things", take)
    prepare(app)
    writers: list[asyncio.StreamWriter] = []
    async with serve(app, "127.0.0.1", 0, limits, 1) as (host, port):

        async def connect(sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(host, port)
            writers.append(writer)
            writer.write(sent)
            return reader, writer

        yield connect
        for writer in writers:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """One answer, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    return head + await reader.readexactly(int(length.partition(b":")[2]))


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTT", b"GET /livez HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    async with served(SHORT) as connect:
        reader, _ = await connect(sent)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_a_head_that_trickles_does_not_gain_time() -> None:
    async with served(ConnectionLimits(header_timeout_s=0.3)) as connect:
        reader, writer = await connect(b"GET /livez HTTP/1.1\r\n")
        reading = asyncio.create_task(reader.read())
        while not reading.done():
            writer.write(b"X-A: b\r\n")
            await asyncio.wait([reading], timeout=0.05)
        assert reading.exception() or reading.result().startswith(b"HTTP/1.1 408 ")


async def test_the_second_head_has_its_time_too() -> None:
    async with served(SHORT) as connect:
        reader, writer = await connect(GET)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET /li")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_is_closed() -> None:
    async with served(ConnectionLimits(), idle_timeout_s=0.2) as connect:
        reader, _ = await connect(GET)
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        assert await reader.read() == b""


async def test_a_body_that_does_not_come_is_answered_408() -> None:
    async with served(ConnectionLimits(), body_timeout_s=0.2) as connect:
        reader, _ = await connect(POST + b"12345")
        told = await answer(reader)
        assert told.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"request_timeout"' in told


async def test_a_stream_outlives_every_limit_on_requests() -> None:
    ended = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await ended.wait()
        await response.write_eof(b"bye")
        return response

    limits = ConnectionLimits(header_timeout_s=0.1)
    prepare = lambda app: app.router.add_get("/stream", stream)  # noqa: E731
    async with served(limits, prepare, idle_timeout_s=0.1, body_timeout_s=0.1) as connect:
        following, _ = await connect(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        silent, _ = await connect()
        await silent.read()  # the limits have passed
        silent, _ = await connect()
        await silent.read()
        ended.set()
        assert b"bye" in await following.readuntil(b"bye")


async def test_an_answer_that_nobody_reads_is_given_up() -> None:
    async def much(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(64 << 20))

    prepare = lambda app: app.router.add_get("/much", much)  # noqa: E731
    async with served(ConnectionLimits(write_timeout_s=0.2), prepare) as connect:
        reader, _ = await connect(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        read = 0
        try:
            await eventually(lambda: bool(REGISTRY.get_sample_value(CLOSED, {"limit": "write_timeout"})))
            while chunk := await reader.read(1 << 20):
                read += len(chunk)
        except ConnectionResetError:
            pass
        assert read < 64 << 20


@pytest.mark.parametrize("limits", [ConnectionLimits(total=2), ConnectionLimits(per_address=2)])
async def test_more_connections_than_allowed_are_turned_away(limits: ConnectionLimits) -> None:
    async with served(limits) as connect:
        first, writer = await connect(GET)
        await answer(first)
        second, _ = await connect(GET)
        await answer(second)
        third, _ = await connect()
        assert (await third.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()
        while True:  # the place is free once the server has seen the end
            fourth, _ = await connect(GET)
            if (await answer(fourth)).startswith(b"HTTP/1.1 200 "):
                break


async def test_a_proxy_brings_as_many_as_there_is_room_for() -> None:
    limits = ConnectionLimits(per_address=1, proxies=(ip_network("127.0.0.0/8"),))
    async with served(limits) as connect:
        for _ in range(3):
            reader, _writer = await connect(GET)
            assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")


def test_one_ipv6_network_is_one_address() -> None:
    connections = Connections(ConnectionLimits(per_address=1), asyncio.Protocol)
    assert connections.admit("2001:db8::/64") is None
    assert connections.admit("2001:db8::/64") == "per_address"
    connections.leave("2001:db8::/64")
    assert connections.admit("2001:db8::/64") is None


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "nonsense"])
async def test_compressed_bodies_are_not_taken(encoding: str) -> None:
    async with served(ConnectionLimits()) as connect:
        reader, _ = await connect(POST[:-2] + f"Content-Encoding: {encoding}\r\n\r\n".encode() + b"\x1f\x8b45678901")
        told = await answer(reader)
        assert told.startswith(b"HTTP/1.1 415 ")
        assert b"Accept-Encoding: identity" in told


async def test_an_uncompressed_body_may_say_so() -> None:
    async with served(ConnectionLimits()) as connect:
        reader, _ = await connect(POST[:-2] + b"Content-Encoding: identity\r\n\r\n0123456789")
        assert b'{"bytes":10}' in await answer(reader)
