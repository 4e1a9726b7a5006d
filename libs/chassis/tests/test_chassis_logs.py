import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from closet_chassis.http import make_http_app
from closet_chassis.readiness import Readiness
from closet_chassis.telemetry import setup_logging, tracer
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import REGISTRY


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("svc")
    structlog.get_logger().info("thing_done", job_id="job_1", count=2)
    (line,) = lines(capsys)
    assert line.pop("ts").endswith("Z")
    assert line == {"event": "thing_done", "level": "info", "service": "svc", "job_id": "job_1", "count": 2}


def test_the_standard_library_goes_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("svc")
    logging.getLogger("some.lib").warning("lost %s", "https://x.example/?sig=geheim")
    (line,) = lines(capsys)
    assert line["event"] == "lost https://x.example/?[redacted]"
    assert (line["level"], line["service"], line["logger"]) == ("warning", "svc", "some.lib")


def test_lower_levels_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("svc", "WARNING")
    structlog.get_logger().info("a")
    logging.getLogger("x").info("b")
    assert lines(capsys) == []


def test_inside_a_span_a_line_names_trace_and_span(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("svc")
    with TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("work") as span:
        structlog.get_logger().info("inside")
        logging.getLogger("lib").warning("inside too")
    structlog.get_logger().info("outside")
    first, second, third = lines(capsys)
    context = span.get_span_context()
    for line in (first, second):
        assert line["trace_id"] == trace.format_trace_id(context.trace_id)
        assert line["span_id"] == trace.format_span_id(context.span_id)
    assert "trace_id" not in third
    assert tracer() is tracer()


def test_an_exception_is_told_without_what_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("svc")
    try:
        int("https://s3/x?X-Amz-Signature=geheim for ada@example.com")
    except ValueError:
        structlog.get_logger().exception("failed", email="ada@example.com")
        logging.getLogger("lib").exception("failed too")
    for line in lines(capsys):
        assert "ValueError" in line["exception"]
        assert "geheim" not in json.dumps(line)
        assert "ada@" not in json.dumps(line)


def test_what_json_cannot_say_does_not_break_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("svc")
    structlog.get_logger().info("odd", value=object(), big=2**80, no=float("nan"), text="\ud800", keys={1: {2}})
    (line,) = lines(capsys)
    assert (line["big"], line["no"], line["keys"]) == (2**80, "nan", {"1": [2]})


async def test_of_a_client_that_speaks_no_http_neither_address_nor_words_are_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup_logging("svc")
    runner = web.AppRunner(make_http_app("svc", Readiness()), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \x01geheim\r\n\r\n")
    assert b"400" in await reader.readline()
    writer.close()
    await runner.cleanup()
    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("request_malformed: BadHttpMessage", "warning")
    assert "geheim" not in json.dumps(line)
    assert "127.0.0.1" not in json.dumps(line)


def test_an_error_in_an_answer_is_told_without_the_client(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("svc")
    error = RuntimeError("too late")
    logging.getLogger("aiohttp.server").error("Error handling request from %s", "192.0.2.7", exc_info=error)
    (line,) = lines(capsys)
    assert line["event"] == "Error handling request"
    assert "RuntimeError: too late" in line["exception"]
    assert "192.0.2.7" not in json.dumps(line)


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError


async def _log_and_answer(_request: web.Request) -> web.Response:
    structlog.get_logger().error("thing_failed", thing=Unprintable())
    logging.getLogger("lib").error("failed too")
    return web.Response(text="fine")


def _full_disk() -> TextIO:
    return Path("/dev/full").open("w", buffering=1)


def _closed_pipe() -> TextIO:
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", buffering=1)


def _closed_stream() -> TextIO:
    with Path("/dev/null").open("w") as stream:
        return stream


@pytest.mark.parametrize("broken", [_full_disk, _closed_pipe, _closed_stream])
async def test_what_cannot_be_logged_is_answered_all_the_same(
    broken: Callable[[], TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = broken()
    monkeypatch.setattr(sys, "stderr", stream)
    setup_logging("svc")
    app = make_http_app("svc", Readiness())
    app.router.add_get("/", _log_and_answer)
    async with TestClient(TestServer(app)) as client:
        for _ in range(3):
            response = await client.get("/")
            assert (response.status, await response.text()) == (200, "fine")
    assert REGISTRY.get_sample_value("closet_log_lines_lost_total")
    with suppress(OSError):
        stream.close()
