"""The servers keep what they are told, across stops and kills, and say who may do what."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import aiohttp
import asyncpg
import pytest
from closet_contracts.ownership import Service
from closet_devstack import bus, parts
from closet_devstack.folders import throw_away
from closet_devstack.parts import choose_nats, choose_postgres, choose_s3
from closet_devstack.process import Child, DidNotStart
from closet_devstack.servers.base import NotOurs
from closet_devstack.servers.containers import Container
from closet_devstack.servers.nats import GivenNats, NatsServer
from closet_devstack.servers.postgres import GivenPostgres, PostgresServer
from closet_devstack.servers.s3 import GivenS3, S3Server
from closet_devstack.testing import eventually
from closet_messaging.connection import connect, drain
from closet_messaging.streams import verify
from closet_operator.permissions import server_users
from closet_storage.signing import Signer
from yarl import URL


@pytest.fixture
def folder() -> Iterator[Path]:
    with throw_away() as one:
        yield one


async def _count(server: PostgresServer) -> int:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS t (x int)")
        await connection.execute("INSERT INTO t VALUES (1)")
        return int(await connection.fetchval("SELECT count(*) FROM t"))
    finally:
        await connection.close()


async def test_postgres_keeps_what_was_committed(folder: Path) -> None:
    with PostgresServer(folder) as server:
        url = server.url()
        assert await _count(server) == 1
        server.kill()
        server.start()
        assert await _count(server) == 2
        server.restart()
        assert server.url() == url
    with PostgresServer(folder) as another:
        assert await _count(another) == 3


async def test_postgres_logs_an_error_without_what_was_written(folder: Path) -> None:
    with PostgresServer(folder) as server:
        connection = await asyncpg.connect(server.url())
        await connection.execute("CREATE TABLE t (prompt text CHECK (length(prompt) < 9), more jsonb)")
        for sql, values in (
            ("INSERT INTO t VALUES ('a red dress')", ()),
            ("INSERT INTO t VALUES ($1)", ("a red dress",)),
            ("INSERT INTO t VALUES ('', $1::text::jsonb)", ('{"prompt": a red dress}',)),
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(sql, *values)
        await connection.close()
        log = server.log.read_text()
    assert log.count("ERROR:") == 3
    assert "red dress" not in log


async def test_servers_take_a_relative_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with (
        PostgresServer(Path("build/postgres")) as postgres,
        NatsServer(Path("build/nats"), bus.new_passwords(), server_users) as nats,
        S3Server(Path("build/s3")) as s3,
    ):
        assert await _count(postgres) == 1
        await bus.provision(nats.url())
        assert await _ask(s3, "admin", "PUT", "tenant/t1/uploads/u") == 200
    assert {path.name for path in (folder / "build").iterdir()} == {"postgres", "nats", "s3"}


async def test_a_pid_file_that_names_a_stranger_does_not_keep_postgres_from_starting(folder: Path) -> None:
    with PostgresServer(folder) as server:
        server.kill()
        pid_file = folder / "data" / "postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
        pid_file.write_text("".join(["1\n", *lines[1:]]))
        server.start()
        assert await _count(server) == 1


async def test_nats_keeps_streams_across_a_kill_and_a_second_start(folder: Path) -> None:
    for _ in range(2):
        with NatsServer(folder, bus.new_passwords(), server_users) as server:
            await bus.provision(server.url())
            server.kill()
            server.start()
            client = await connect(server.url(Service.BILLING_METER), Service.BILLING_METER)
            await verify(client.jetstream(), Service.BILLING_METER)
            await drain(client)


async def _ask(server: S3Server, identity: str, method: str, key: str) -> int:
    access = server.access(identity)
    signer = Signer(access.endpoint, access.region, access.bucket, access.access_key, access.secret_key)
    headers = {"x-amz-server-side-encryption": "AES256"} if method == "PUT" else {}
    url = signer.put_url(key, headers, 60)[0] if method == "PUT" else signer.get_url(key, 60)
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(url, encoded=True), headers=headers, data=b"x" if headers else None) as response,
    ):
        return response.status


async def test_s3_lets_each_service_only_where_its_business_is(s3_server: S3Server) -> None:
    keys = {
        "uploads": "tenant/t1/uploads/u",
        "inputs": "tenant/t1/inputs/u.jpg",
        "results": "tenant/t1/results/j/r.jpg",
    }
    for key in keys.values():
        assert await _ask(s3_server, "admin", "PUT", key) == 200

    async def may(identity: str, method: str) -> set[str]:
        return {kind for kind, key in keys.items() if await _ask(s3_server, identity, method, key) == 200}

    assert await may("upload-signer", "PUT") == {"uploads", "inputs"}
    assert await may("upload-signer", "GET") == {"uploads", "inputs", "results"}
    assert await may("perfect-adapter", "PUT") == {"results"}
    assert await may("perfect-adapter", "GET") == {"inputs", "results"}


async def test_s3_keeps_encrypted_objects_for_a_second_start(folder: Path) -> None:
    with S3Server(folder) as server:
        assert await _ask(server, "upload-signer", "PUT", "tenant/t1/uploads/u") == 200
    with S3Server(folder) as server:
        assert await _ask(server, "upload-signer", "GET", "tenant/t1/uploads/u") == 200


def test_a_given_url_replaces_a_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOSET_NATS_URL", "nats://all:secret@bus:4222")
    monkeypatch.setenv("CLOSET_POSTGRES_URL", "postgresql://root:secret@db:5432/postgres?sslmode=require")
    monkeypatch.setenv("S3_ENDPOINT", "https://s3.example")
    monkeypatch.setenv("S3_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "key")
    nats, postgres, s3 = (
        choose_nats(tmp_path, durable=True),
        choose_postgres(tmp_path, durable=True),
        choose_s3(tmp_path),
    )
    assert isinstance(nats, GivenNats)
    assert isinstance(postgres, GivenPostgres)
    assert isinstance(s3, GivenS3)
    assert nats.start().url("billing-meter") == "nats://all:secret@bus:4222"
    assert postgres.url("jobs", "jobs", "p/w") == "postgresql://jobs:p%2Fw@db:5432/jobs?sslmode=require"
    assert s3.access("upload-signer").access_key == "id"
    with pytest.raises(NotOurs):
        nats.kill()


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No URL is given, no program installed, no Docker daemon within reach."""
    for name in ("CLOSET_NATS_URL", "CLOSET_POSTGRES_URL", "S3_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(parts, "is_installed", lambda _program: False)
    monkeypatch.setattr(parts, "is_postgres_installed", lambda: False)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")


@pytest.mark.usefixtures("nothing_here")
def test_what_is_not_installed_runs_in_a_container_and_says_when_it_cannot(tmp_path: Path) -> None:
    for part in (
        choose_nats(tmp_path, durable=True),
        choose_postgres(tmp_path, durable=True),
        choose_s3(tmp_path),
    ):
        assert isinstance(part, Container)
        with pytest.raises(
            DidNotStart, match=f"no URL of {part.name} was given, its program is not installed, and Docker"
        ):
            part.start()


@pytest.mark.usefixtures("nothing_here")
@pytest.mark.parametrize(
    ("choose", "needed"),
    [(choose_nats, b"perfect-adapter"), (choose_postgres, b"max_connections"), (choose_s3, b"tenant/*/uploads/*")],
)
def test_a_container_is_configured_as_the_child_process_is(
    tmp_path: Path, choose: Callable[..., Container], needed: bytes
) -> None:
    docker = Mock()
    choose(tmp_path, **({} if choose is choose_s3 else {"durable": True}))._configure(docker)
    assert needed in repr(docker.mock_calls).encode()


async def test_a_server_that_is_stopped_while_it_starts_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Child] = []
    launch = NatsServer._launch

    def noted(server: NatsServer) -> Child:
        launched.append(launch(server))
        return launched[-1]

    monkeypatch.setattr(NatsServer, "_launch", noted)
    monkeypatch.setattr(NatsServer, "_is_ready", lambda *_: False)
    server = NatsServer(tmp_path / "nats", bus.new_passwords(), server_users, durable=False)
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    await eventually(lambda: launched)
    await asyncio.to_thread(server.kill)
    with pytest.raises(DidNotStart):
        await starting
    assert [child.returncode for child in launched] == [-9]
    assert not server.is_running
