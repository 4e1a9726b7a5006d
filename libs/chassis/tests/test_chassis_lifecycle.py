"""`run()` as the platform sees it: a process with a port, signals and an exit code."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

Start = Callable[..., Awaitable[Any]]

ORDERLY = """
async def build(process):
    await process.stack.enter_async_context(part("pool"))
    process.background.start("relay", forever("relay"))
    await process.stack.enter_async_context(part("bus"))
    process.background.start("worker", forever("worker"))

    async def stream(request):
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        await response.prepare(request)
        await response.write(b"data: hello\\n\\n")
        await process.stopping.wait()
        await response.write(b"data: bye\\n\\n")
        say("end stream")
        return response

    process.app.router.add_get("/stream", stream)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_streams_then_closes_in_reverse_and_exits_0(start: Start, number: signal.Signals) -> None:
    child = await start(ORDERLY)
    url = await child.url()
    async with aiohttp.ClientSession() as session, session.get(f"{url}/stream") as response:
        assert await response.content.readline() == b"data: hello\n"
        child.stop(number)
        assert (await response.read()).endswith(b"data: bye\n\n")  # ended in good order, not broken off
    assert await child.ended() == 0
    assert child.said == [
        "open pool",
        "open bus",
        "end stream",
        "end worker",  # before the bus that it uses
        "close bus",
        "end relay",
        "close pool",
    ]
    assert [line["event"] for line in child.logged] == ["started", "stopping", "stopped"]


async def test_a_silent_connection_is_closed_while_a_stream_goes_on(start: Start) -> None:
    child = await start(ORDERLY, HTTP_HEADER_TIMEOUT_S="0.2")
    started = await child.until("started")
    streaming = f"http://127.0.0.1:{started['port']}/stream"
    async with aiohttp.ClientSession() as session, session.get(streaming) as response:
        assert await response.content.readline() == b"data: hello\n"
        for _ in range(2):  # each for the whole time-out
            reader, writer = await asyncio.open_connection("127.0.0.1", started["port"])
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
            writer.close()
        async with session.get(f"http://127.0.0.1:{started['admin_port']}/metrics") as metrics:
            closed = 'closet_http_connections_closed_total{limit="header_timeout"} 2.0'
            assert closed in await metrics.text()
        child.stop()
        assert (await response.read()).endswith(b"data: bye\n\n")
    assert await child.ended() == 0


async def test_a_request_in_progress_is_answered(start: Start) -> None:
    child = await start("""
async def build(process):
    async def slow(request):
        say("begun")
        await process.stopping.wait()
        return web.Response(text=str((await process.readiness.report()).ready))
    process.app.router.add_get("/slow", slow)
""")
    url = await child.url()
    async with aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.get(f"{url}/slow"))
        assert child.process.stdout is not None
        await child.process.stdout.readline()
        child.stop()
        assert await (await asking).text() == "False"  # not ready any more, yet answering
    assert await child.ended() == 0


async def test_it_listens_only_when_everything_is_wired(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = await start(
        f"""
import socket
async def build(process):
    with socket.socket() as probe:
        say(probe.connect_ex(("127.0.0.1", {port})) != 0)
""",
        HTTP_PORT=str(port),
    )
    url = await child.url()
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
        assert response.status == 200
    child.stop()
    assert await child.ended() == 0
    assert child.said == ["True"]


async def test_a_crashed_background_task_stops_the_process_in_order_with_1(start: Start) -> None:
    child = await start("""
async def crash():
    await asyncio.sleep(0)
    raise RuntimeError("lost nats://svc:geheim@bus")

async def build(process):
    await process.stack.enter_async_context(part("pool"))
    process.background.start("worker", forever("worker"))
    process.background.start("consumer", crash())
    await asyncio.sleep(0)
""")
    crash = await child.until("background_crashed")
    assert crash["task"] == "consumer"
    assert "RuntimeError" in crash["exception"]
    assert "geheim" not in str(crash)
    assert await child.ended() == 1
    assert child.said == ["open pool", "end worker", "close pool"]


async def test_a_background_task_may_simply_end(start: Start) -> None:
    child = await start("""
async def once():
    say("done")

async def build(process):
    process.background.start("once", once())
""")
    await child.url()
    child.stop()
    assert await child.ended() == 0
    assert child.said == ["done"]


async def test_whoever_finds_that_it_cannot_go_on_may_end_the_process(start: Start) -> None:
    child = await start("""
async def build(process):
    asyncio.get_running_loop().call_soon(process.background.crash)
""")
    assert await child.ended() == 1


async def test_a_start_that_fails_closes_what_was_opened_and_exits_1(start: Start) -> None:
    child = await start("""
async def build(process):
    await process.stack.enter_async_context(part("pool"))
    raise OSError("no database")
""")
    assert "no database" in (await child.until("start_failed"))["exception"]
    assert await child.ended() == 1
    assert child.said == ["open pool", "close pool"]


async def test_a_port_that_is_taken_is_a_start_that_fails(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        child = await start(
            "async def build(process):\n    await process.stack.enter_async_context(part('pool'))",
            HTTP_PORT=str(taken.getsockname()[1]),
        )
        await child.until("start_failed")
        assert await child.ended() == 1
    assert child.said == ["open pool", "close pool"]


async def test_a_signal_while_it_starts_gives_the_start_up(start: Start) -> None:
    child = await start("""
async def build(process):
    await process.stack.enter_async_context(part("pool"))
    say("waiting")
    await asyncio.Event().wait()
""")
    assert child.process.stdout is not None
    assert [await child.process.stdout.readline() for _ in range(2)] == [b"open pool\n", b"waiting\n"]
    child.stop()
    assert await child.ended() == 0
    assert child.said == ["close pool"]


async def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    child = await start("""
async def build(process):
    process.stack.push_async_callback(asyncio.Event().wait)
""")
    await child.url()
    child.stop()
    await child.until("stopping")
    child.stop()
    assert await child.ended() == 128 + signal.SIGTERM


async def test_a_stop_that_takes_too_long_is_cut_short_and_the_rest_still_closed(start: Start) -> None:
    child = await start(
        """
async def build(process):
    await process.stack.enter_async_context(part("pool"))
    process.stack.push_async_callback(asyncio.Event().wait)
""",
        STOP_TIMEOUT_S="0.1",
    )
    await child.url()
    child.stop()
    await child.until("stop_failed")
    assert await child.ended() == 1
    assert child.said == ["open pool", "close pool"]


async def test_a_loop_that_is_blocked_does_not_keep_the_process(start: Start) -> None:
    child = await start(
        """
import closet_chassis.lifecycle
closet_chassis.lifecycle.HARD_EXIT_MARGIN_S = 0.1

async def build(process):
    process.stack.callback(time.sleep, 3600)
""",
        STOP_TIMEOUT_S="0.1",
    )
    await child.url()
    child.stop()
    assert await child.ended() == 1
    assert any("Timeout" in line for line in child.raw)


async def test_a_closing_that_fails_does_not_keep_others_from_closing(start: Start) -> None:
    child = await start("""
def fail():
    raise RuntimeError("stuck")

async def build(process):
    await process.stack.enter_async_context(part("pool"))
    process.stack.callback(fail)
""")
    await child.url()
    child.stop()
    await child.until("stop_failed")
    assert await child.ended() == 1
    assert child.said == ["open pool", "close pool"]


async def test_settings_that_are_missing_or_wrong_are_named_without_values(start: Start) -> None:
    child = await start("async def build(process): ...", DATABASE_URL="", POOL_SIZE="geheim")
    assert await child.ended() == 2
    text = "".join(child.raw)
    assert "CLOSET_DATABASE_URL" in text
    assert "CLOSET_POOL_SIZE" in text
    assert "geheim" not in text
