"""pytest fixtures: real servers. Loaded as a plugin, so nothing heavy is imported before a test asks for it."""
# ruff: noqa: PLC0415 - see above

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from closet_storage.access import Access

    from closet_devstack.databases import Databases
    from closet_devstack.otlp import OtlpReceiver
    from closet_devstack.parts import S3, Nats, Postgres
    from closet_devstack.sandbox.perfect.remote import Remote
    from closet_devstack.servers.base import Part
    from closet_devstack.servers.perfect import PerfectServer
    from closet_devstack.stack import Stack

_QUICK = ["--latency-ms", "20"]
P = TypeVar("P", bound="Part")


def pytest_configure() -> None:
    """Before anything of ours is asked for."""
    from closet_devstack.loopback import bypass_proxies

    bypass_proxies()


def _running(server: P) -> Iterator[P]:
    try:
        yield server.start()
    finally:
        server.discard()


@pytest.fixture(scope="session")
def devstack_folder() -> Iterator[Path]:
    """Where the servers of this run keep their data; removed at its end."""
    from closet_devstack.folders import throw_away

    with throw_away() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(devstack_folder: Path) -> "Iterator[Postgres]":
    """PostgreSQL, once for the whole run."""
    from closet_devstack.parts import choose_postgres

    yield from _running(choose_postgres(devstack_folder / "postgres", durable=False))


@pytest.fixture(scope="session")
def s3_server(devstack_folder: Path) -> "Iterator[S3]":
    """S3, once for the whole run. Tests keep apart by tenants of their own."""
    from closet_devstack.parts import choose_s3

    yield from _running(choose_s3(devstack_folder / "s3"))


@pytest.fixture
def s3(s3_server: "S3") -> "Access":
    """The bucket as one who may do everything; `s3_server.access(service)` is a service's way."""
    return s3_server.access()


@pytest.fixture(scope="session")
def databases(postgres_server: "Postgres") -> "Databases":
    """The maker of databases, with its templates."""
    from closet_devstack.databases import Databases

    return Databases(postgres_server)


@pytest.fixture
async def make_database(databases: "Databases") -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Makes fresh databases with the named packages' migrations; each call returns the URL of a role that owns nothing.

    `databases.owner_url(url)` is the owner's; an empty database is made for its owner.
    """
    made: list[str] = []

    async def make(*packages: str) -> str:
        made.append(await databases.create(*packages))
        return made[-1]

    yield make
    for url in made:
        await databases.drop(url)


@pytest.fixture
def owner_url(databases: "Databases", database_url: str) -> str:
    """The test's `database_url` for its owner, who migrates it."""
    return databases.owner_url(database_url)


@pytest.fixture
async def database(make_database: Callable[..., Awaitable[str]]) -> str:
    """The URL of a fresh, empty database."""
    return await make_database()


@pytest.fixture(scope="session")
def perfect_server(devstack_folder: Path) -> "Iterator[PerfectServer]":
    """The vendor's sandbox, once for the whole run: quick (20 ms a task), with its usual quota of 300 s."""
    from closet_devstack.servers.perfect import PerfectServer

    options = [*_QUICK, "--calls-per-second", "0"]  # tests make calls as fast as they can; those of the limit set it
    yield from _running(PerfectServer(devstack_folder / "perfect", options))


@pytest.fixture
async def sandbox(perfect_server: "PerfectServer") -> "Remote":
    """The remote control of the vendor's sandbox, which is as new for each test; `perfect_server.env()` leads to it."""
    from closet_devstack.sandbox.perfect.remote import Remote

    remote = Remote(perfect_server.url)
    await remote.reset()
    return remote


@pytest.fixture(scope="session")
def _nats_template(devstack_folder: Path) -> Path:
    """A server's folder in which streams and consumers have been made: copying it is quicker than making them."""
    from closet_operator.permissions import server_users

    from closet_devstack.bus import new_passwords, provision
    from closet_devstack.servers.nats import NatsServer

    with NatsServer(devstack_folder / "nats-template", new_passwords(), server_users, durable=False) as server:
        asyncio.run(provision(server.url()))
    return server.folder


@pytest.fixture
def bare_nats_server(tmp_path: Path) -> "Iterator[Nats]":
    """NATS with everyone's users, but no streams yet."""
    from closet_devstack.parts import choose_nats

    yield from _running(choose_nats(tmp_path / "nats", durable=False))


@pytest.fixture
def nats_server(tmp_path: Path, request: pytest.FixtureRequest) -> "Iterator[Nats]":
    """NATS with streams and consumers; fresh for each test."""
    from closet_devstack.bus import clear, provision
    from closet_devstack.parts import choose_nats
    from closet_devstack.servers.nats import NatsServer

    server = choose_nats(tmp_path / "nats", durable=False)
    if isinstance(server, NatsServer):
        shutil.copytree(request.getfixturevalue("_nats_template"), server.folder)
    for one in _running(server):
        if not isinstance(one, NatsServer):
            asyncio.run(clear(one.url()))
            asyncio.run(provision(one.url()))
        yield one


@pytest.fixture
def nats_url(nats_server: "Nats") -> Callable[[str], str]:
    """A service's own URL of the bus: `nats_url("billing-meter")`."""
    return nats_server.url


@pytest.fixture(scope="session")
def shared_stack() -> "Iterator[Stack]":
    """The servers and the vendor of a whole product, once for the run; `await shared_stack.start_services()` starts it.

    Tests keep apart by tenants of their own and leave everything running; who kills or steers it takes `stack`.
    """
    from closet_devstack.stack import Stack, StackOptions

    # Nothing in a stack is tied to an event loop, so that every test may use it from its own.
    one = asyncio.run(Stack(StackOptions(durable=False, sandbox=_QUICK)).__aenter__())
    yield one
    asyncio.run(one.__aexit__(None, None, None))


@pytest.fixture
async def stack() -> "AsyncIterator[Stack]":
    """A stack of this test alone."""
    from closet_devstack.stack import Stack, StackOptions

    async with Stack(StackOptions(durable=False, sandbox=_QUICK)) as one:
        yield one


@pytest.fixture
async def otlp() -> "AsyncIterator[OtlpReceiver]":
    """A receiver of traces; `otlp.env()` makes a service send to it."""
    from closet_devstack.otlp import receiving

    async with receiving() as receiver:
        yield receiver
