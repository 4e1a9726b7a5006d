import asyncio
import os
import re
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from closet_chassis.http import reply
from closet_chassis.problems import Problem
from closet_chassis.readiness import Readiness
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

Serve = Callable[..., Awaitable[TestClient[web.Request, web.Application]]]
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_answers_name_neither_server_nor_guessed_types(serve: Serve) -> None:
    response = await (await serve()).get("/livez")
    assert "Server" not in response.headers
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_request_is_a_span_in_the_callers_trace(serve: Serve, spans: InMemorySpanExporter) -> None:
    async def gone(_request: web.Request) -> web.Response:
        raise Problem(404, "gone", "Gone.")

    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    response = await (await serve(gone)).post("/things/ada@example.com?sig=geheim", headers=headers)
    body = await response.json(content_type=None)
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind, span.status.status_code) == ("POST /things/{id}", SpanKind.SERVER, StatusCode.UNSET)
    assert span.parent is not None
    assert body["traceId"] == TRACE
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/things/{id}",
        "http.response.status_code": 404,
    }


async def test_a_failed_request_is_a_failed_span(serve: Serve, spans: InMemorySpanExporter) -> None:
    async def fails(_request: web.Request) -> web.Response:
        raise KeyError("geheim")

    await (await serve(fails)).post("/things/1")
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "geheim" not in span.to_json()


async def test_health_and_metrics_are_not_traced(serve: Serve, spans: InMemorySpanExporter) -> None:
    client = await serve(admin=True)
    for path in ("/livez", "/readyz", "/health", "/metrics"):
        assert (await client.get(path)).status == 200
    assert spans.get_finished_spans() == ()


async def test_metrics_count_by_route_and_tell_of_the_process(serve: Serve) -> None:
    async def made(_request: web.Request) -> web.Response:
        return reply({}, status=201)

    client = await serve(made)
    await client.post("/things/17")
    await client.get("/made/up/by/a/stranger")
    await client.request("PROPFIND", "/things/1")
    assert (await client.get("/metrics")).status == 404  # what is measured is not for clients
    response = await (await serve(admin=True)).get("/metrics")
    text = await response.text()
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert re.search(r'http_request_duration_seconds_count\{method="POST",route="/things/\{id\}",status="201"\}', text)
    assert 'method="_OTHER",route="",status="405"' in text
    assert "stranger" not in text
    assert "process_resident_memory_bytes" in text
    assert "process_cpu_seconds_total" in text


async def test_who_is_alive_is_told_to_operators(serve: Serve) -> None:
    shown = await (await (await serve(admin=True)).get("/livez")).json()
    assert shown == {"status": "ok", "service": "svc", "pid": os.getpid()}
    assert await (await (await serve()).get("/livez")).json() == {"status": "ok", "service": "svc"}


async def test_ready_when_every_check_is_fine(serve: Serve, readiness: Readiness) -> None:
    async def fine() -> None:
        return None

    readiness.add("database", fine)
    client = await serve(admin=True)
    for path in ("/readyz", "/health"):
        response = await client.get(path)
        assert response.status == 200
        assert await response.json() == {"status": "ready", "checks": {"database": {"ok": True, "detail": None}}}


async def test_not_ready_when_one_complains_fails_or_hangs(
    serve: Serve, readiness: Readiness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("closet_chassis.readiness.CHECK_TIMEOUT_S", 0.01)

    async def complains() -> str:
        return "the bus is away"

    async def fails() -> None:
        raise OSError("postgresql://me:geheim@db")

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def fine() -> None:
        return None

    for check in (complains, fails, hangs, fine):
        readiness.add(check.__name__, check)
    client = await serve(admin=True)
    response = await client.get("/readyz")
    assert response.status == 503
    body = await response.json()
    assert body["status"] == "not_ready"
    assert [name for name, check in body["checks"].items() if check["ok"]] == ["fine"]
    assert body["checks"]["complains"]["detail"] == "the bus is away"
    assert "geheim" not in str(body)
    assert (await client.get("/livez")).status == 200
    told = await (await (await serve()).get("/health")).json()
    assert told["checks"]["complains"] == {"ok": False, "detail": None}  # the reason is not for clients


async def test_not_ready_once_it_stops(serve: Serve, readiness: Readiness) -> None:
    client = await serve()
    readiness.stop()
    assert (await client.get("/readyz")).status == 503
    assert (await client.get("/livez")).status == 200


async def test_those_who_ask_at_the_same_time_share_one_round(readiness: Readiness) -> None:
    asked = 0
    gate = asyncio.Event()

    async def check() -> None:
        nonlocal asked
        asked += 1
        await gate.wait()

    readiness.add("slow", check)
    waiting = [asyncio.create_task(readiness.report()) for _ in range(10)]
    await asyncio.sleep(0)
    waiting.pop().cancel()
    gate.set()
    assert all(report.ready for report in await asyncio.gather(*waiting))
    assert asked == 1
    assert (await readiness.report()).ready
    assert asked == 2
