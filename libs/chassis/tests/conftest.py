"""HTTP applications under test, the spans they make, and whole services in processes of their own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from closet_chassis import telemetry
from closet_chassis.http import make_admin_app, make_http_app
from closet_chassis.readiness import Readiness
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Client = TestClient[web.Request, web.Application]
Serve = Callable[..., Awaitable[Client]]
Package = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Writes an importable package with these files: `package("pets", {"0001_cats": "CREATE ...", ...}, ...)`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    written: set[str] = set()

    def write(name: str, *files: dict[str, str]) -> str:
        folder = tmp_path / name / "migrations"
        (folder / "functions").mkdir(parents=True, exist_ok=True)
        (folder.parent / "__init__.py").touch()
        for old in folder.rglob("*.sql"):
            old.unlink()
        for file, sql in (item for group in files for item in group.items()):
            (folder / f"{file}.sql").write_text(sql)
        written.add(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


async def query(url: str, sql: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
async def serve(readiness: Readiness) -> AsyncIterator[Serve]:
    """Starts an application with one handler, at `POST /things/{id}`."""
    clients: list[Client] = []

    async def start(handler: Handler | None = None, *, admin: bool = False, **options: Any) -> Client:
        app = make_http_app("svc", readiness, **options) if not admin else make_admin_app("svc", readiness)
        if handler:
            app.router.add_post("/things/{id}", handler)
        clients.append(TestClient(TestServer(app)))
        await clients[-1].start_server()
        return clients[-1]

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer", lambda: provider.get_tracer("test"))
    return exporter


HEAD = """
import asyncio, sys, time
from contextlib import asynccontextmanager
from aiohttp import web
from closet_chassis.lifecycle import Process, run
from closet_chassis.settings import ServiceSettings

def say(text):
    print(text, flush=True)

@asynccontextmanager
async def part(name):
    say(f"open {name}")
    try:
        yield
    finally:
        say(f"close {name}")

async def forever(name):
    try:
        await asyncio.Event().wait()
    finally:
        say(f"end {name}")
"""
TAIL = '\nsys.exit(run("svc", ServiceSettings, build))\n'


@dataclass
class Child:
    """A service in a process of its own: what it says, what it logs, where it listens."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    logged: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    async def until(self, event: str) -> dict[str, Any]:
        """Read its log up to `event`."""
        while line := await self._next():
            if line.get("event") == event:
                return line
        raise AssertionError(f"no {event} in {self.raw}")

    async def url(self) -> str:
        return f"http://127.0.0.1:{(await self.until('started'))['port']}"

    async def ended(self) -> int:
        """Its exit code, once it has said everything."""
        while await self._next():
            pass
        assert self.process.stdout is not None
        self.said = (await self.process.stdout.read()).decode().splitlines()
        return await self.process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def _next(self) -> dict[str, Any] | None:
        assert self.process.stderr is not None
        raw = (await self.process.stderr.readline()).decode()
        self.raw.append(raw)
        line: dict[str, Any] | None = None
        if raw:
            line = json.loads(raw) if raw.startswith("{") else {"event": raw.strip()}
            self.logged.append(line)
        return line


Start = Callable[..., Awaitable[Child]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    children: list[Child] = []

    async def launch(build: str, **environment: str) -> Child:
        given = {"DATABASE_URL": "postgresql://none", "NATS_URL": "nats://none", "HTTP_PORT": "0", "ADMIN_PORT": "0"}
        given |= environment
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            HEAD + build + TAIL,
            env={f"CLOSET_{name}": value for name, value in given.items()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        children.append(Child(process))
        return children[-1]

    yield launch
    for child in children:
        if child.process.returncode is None:
            child.process.kill()
        await child.process.communicate()
