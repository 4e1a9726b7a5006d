"""docs/runbooks/outbox-stalled.md, followed step by step: every command in it is run as it stands there."""

import asyncio
import os
import re
import resource
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from closet_chassis.http import make_admin_app
from closet_chassis.postgres import Pool
from closet_contracts.catalog import OPERATOR
from closet_contracts.ownership import Service
from closet_devstack.bus import new_passwords
from closet_devstack.ports import free_port
from closet_devstack.servers.nats import NatsServer
from closet_devstack.testing import eventually
from closet_messaging import outbox, sweeper
from closet_messaging import publish as publishing
from closet_operator.permissions import server_users
from nats.aio.client import Client
from nats.errors import TimeoutError as NoAnswer

from .conftest import TENANT, House, Replica, failed, stored_ids

AGE_S = 90
PAGE = Path(__file__).parents[3] / "docs" / "runbooks" / "outbox-stalled.md"
SEE, LOOK_AT_THE_SERVER, RESTART, AFTERWARDS = (
    [line for line in block.splitlines() if line]
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)


class Shell:
    """An operator's, with what the page says is set."""

    def __init__(self, **environment: str) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = {"PATH": path, "HOME": "/nonexistent", "LANG": "C.UTF-8", **environment}

    async def run(self, command: str, expected: int = 0) -> str:
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command, stdout=-1, stderr=-2, env=self._environment
        )
        output, _ = await process.communicate()
        assert process.returncode == expected, f"{command}: {output.decode()}"
        return output.decode()


@pytest.fixture
def monitor_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def nats_server(tmp_path: Path, _nats_template: Path, monitor_url: str) -> Iterator[NatsServer]:
    """As for every test, but for the monitoring port, and that its files can be limited."""

    def users(passwords: Mapping[str, str]) -> str:
        return f'{server_users(passwords)}\nhttp: "{monitor_url.removeprefix("http://")}"\n'

    shutil.copytree(_nats_template, tmp_path / "nats")
    with NatsServer(tmp_path / "nats", new_passwords(), users, durable=False) as server:
        yield server


@pytest.fixture
async def replica(house: House, monkeypatch: pytest.MonkeyPatch) -> Replica:
    monkeypatch.setattr(sweeper, "EVERY_S", 0.05)
    monkeypatch.setattr(publishing, "TIMEOUT_S", 0.5)
    return await house.open(Service.JOB_ORCHESTRATOR)


@pytest.fixture
async def admin_url(replica: Replica) -> AsyncIterator[str]:
    async with TestServer(make_admin_app("job-orchestrator", replica.process.readiness)) as server:
        yield f"http://{server.host}:{server.port}"


async def commit(replica: Replica, count: int) -> list[str]:
    async with replica.bus.transaction() as tx:
        return [outbox.add(tx, failed(), tenant=TENANT).id for _ in range(count)]


async def grow_old(pool: Pool) -> None:
    await pool.execute(
        "UPDATE outbox SET created_at = created_at - make_interval(secs => $1) WHERE published_at IS NULL", AGE_S
    )


def limit_files(nats: NatsServer, size: int) -> None:
    """How large the server's files may grow: for whoever writes, a full disk that needs no disk of its own."""
    resource.prlimit(nats.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def size_of(nats: NatsServer, stream: str) -> int:
    return sum(file.stat().st_size for file in nats.folder.glob(f"store/**/{stream}/msgs/*.blk"))


async def takes_nothing(operator: Client) -> bool:
    try:
        await operator.request("closet.job.failed.v1", b"", 0.5)
    except NoAnswer:
        return True
    return False


@pytest.mark.skipif(shutil.which("curl") is None, reason="an operator has curl; this machine has not")
async def test_a_stream_that_met_a_full_disk_is_deaf_until_its_server_is_restarted(
    house: House, replica: Replica, admin_url: str, nats_server: NatsServer, monitor_url: str, operator: Client
) -> None:
    bus, database = nats_server.url(OPERATOR), await house.database(Service.JOB_ORCHESTRATOR)
    shell = Shell(
        ADMIN_URL=admin_url,
        CLOSET_DATABASE_URL=database,
        CLOSET_NATS_URL=bus,
        NATS_MONITOR_URL=monitor_url,
        NATS_LOG=str(nats_server.log),
        NATS_STORE=str(nats_server.folder / "store"),
        NATS_PID=str(nats_server.pid),
    )
    ids = await commit(replica, 80)  # its file is larger than the server's log, which is to be written
    assert await replica.bus._relay.flush(10)
    limit_files(nats_server, size_of(nats_server, "CLOSET_JOB"))
    ids += await commit(replica, 20)
    await grow_old(replica.pool)

    async def stalled() -> bool:
        return not (await replica.process.readiness.report()).ready

    await eventually(stalled)
    readyz, metrics, waiting = [await shell.run(command) for command in SEE]
    assert '"status":"not_ready"' in readyz
    for said, where in (
        ("CLOSET_JOB: the oldest event has waited ", readyz),
        ('closet_outbox_oldest_seconds{stream="CLOSET_JOB"} ', metrics),
        ("closet.job.>: 20 events are overdue, the oldest has waited ", waiting),
    ):
        (age_s,) = re.findall(re.escape(said) + r"(\d+)", where)
        assert AGE_S <= int(age_s) < 2 * AGE_S

    health, errors, disk, made = [await shell.run(command) for command in LOOK_AT_THE_SERVER]
    assert "CLOSET_JOB' write error" in health
    assert "CLOSET_JOB" in errors
    assert "Mounted on" in disk
    assert made == ""

    limit_files(nats_server, resource.RLIM_INFINITY)
    assert await takes_nothing(operator)
    config = (await operator.jetstream().stream_info("CLOSET_JOB")).config
    await operator.jetstream().update_stream(config.evolve(description="edited"))
    assert await takes_nothing(operator)
    assert await stalled()
    assert "write error" in await shell.run(LOOK_AT_THE_SERVER[0])
    assert "ok" in await shell.run(LOOK_AT_THE_SERVER[0].replace("healthz", "healthz?js-enabled-only=true"))

    for command in RESTART:
        await shell.run(command)
    await eventually(lambda: not nats_server.is_running)
    await asyncio.to_thread(nats_server.start)

    async def ready() -> bool:
        return not await stalled()

    await eventually(ready, 30)
    waiting, readyz, letters = [await shell.run(command) for command in AFTERWARDS]
    assert "ok" in await shell.run(LOOK_AT_THE_SERVER[0])
    assert waiting == "nothing is overdue\n"
    assert '"status":"ready"' in readyz
    assert "failed" not in letters
    assert await stored_ids(operator) == ids
    assert not replica.crashed
