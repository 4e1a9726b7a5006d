"""One service's database is set back to a backup while the bus and the others go on, and catches up."""

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from closet_contracts.catalog import OPERATOR
from closet_contracts.ownership import Service
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import Tenant, make_tenant
from closet_devstack.testing import eventually

from tests.chaos import snapshot
from tests.chaos.load import Load, load_on
from tests.chaos.operator import logs_kept, operator_of

PRICE = 5
CREDITS = 1000
BEFORE, AFTER, IN_FLIGHT = 2, 4, 3
START_REFUSED = 3
SETTLED_S = 60.0
RUNBOOK = Path(__file__).parents[2] / "docs/runbooks/restore-one-database.md"
FAIL, REPEAT = "--unknown-orders fail", "--unknown-orders repeat"
CASES = [*((service, FAIL) for service in Service), (Service.PERFECT_ADAPTER, REPEAT)]
_WAITS = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_GONE = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def command(service: Service, since: datetime, unknown_orders: str) -> list[str]:
    """What the runbook has one call, word for word, but for the time of the backup."""
    rows = dict(re.findall(r"^ *\| (\S+) \| `(python -m .+)` \|$", RUNBOOK.read_text(), re.MULTILINE))
    text = rows[service.value].replace(" T", f" {since.isoformat()}").replace(FAIL, unknown_orders)
    program, *arguments = shlex.split(text)
    assert program == "python"
    return [sys.executable, *arguments]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Stack, Tenant]]:
    """A stack for all of them, one after the other: each leaves everything as it should be."""
    options = StackOptions(
        durable=False,
        sandbox=["--latency-ms", "300", "--fixed-result", "--quota-calls", "0", "--calls-per-second", "0"],
        environment={"PERFECT_QUOTA_CALLS": "0", "PERFECT_PACE_PER_S": "0", "PERFECT_POLL_AFTER_S": "1"},
    )

    async def start() -> tuple[Stack, Tenant]:
        stack = await Stack(options).__aenter__()
        await stack.start_services()
        return stack, await make_tenant(stack, "restored", CREDITS)

    stack, tenant = asyncio.run(start())
    yield stack, tenant
    asyncio.run(stack.__aexit__(None, None, None))


@dataclass(frozen=True)
class Restorer:
    """Who has a superuser's backup of one service's database."""

    stack: Stack
    service: Service

    @property
    def name(self) -> str:
        return urlsplit(self.stack.env_for(self.service)["CLOSET_DATABASE_URL"]).path[1:]

    async def back_up(self) -> datetime:
        """As of now, while the service is kept out for a moment: a copy is made of a database that nobody uses."""
        await self._copy(self.name, f"{self.name}_backup")
        return datetime.now(UTC)

    async def restore(self) -> None:
        await self._copy(f"{self.name}_backup", self.name)

    async def _copy(self, source: str, target: str) -> None:
        connection = await asyncpg.connect(self.stack.postgres.url())
        try:
            owner = await connection.fetchval(
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1", source
            )
            await connection.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
            await connection.execute(f'ALTER DATABASE "{source}" ALLOW_CONNECTIONS false')
            await connection.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", source)
            await connection.execute(f'CREATE DATABASE "{target}" OWNER "{owner}" TEMPLATE "{source}"')
            await connection.execute(f'ALTER DATABASE "{source}" ALLOW_CONNECTIONS true')
        finally:
            await connection.close()

    @property
    def env(self) -> dict[str, str]:
        return {**self.stack.env_for(self.service), "CLOSET_OPERATOR_NATS_URL": self.stack.nats.url(OPERATOR)}

    async def run(self, program: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """A program with the service's environment, until it ends."""
        return await asyncio.to_thread(
            subprocess.run, program, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )

    async def kill_half_way(self, program: Sequence[str]) -> None:
        """Run it until it wants to take an event, and kill it there."""
        async with self._inside() as watching:
            async with self._inside() as locking, locking.transaction():
                await locking.execute("LOCK TABLE inbox IN EXCLUSIVE MODE")
                process = await asyncio.create_subprocess_exec(*program, env=self.env)
                await eventually(lambda: watching.fetchval(_WAITS), 30)
                process.kill()
                await process.wait()
            await eventually(lambda: watching.fetchval(_GONE), 30)
            assert await watching.fetchval("SELECT count(*) FROM recovery WHERE finished_at IS NULL") == 1

    @asynccontextmanager
    async def _inside(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.stack.postgres.url(self.name))
        try:
            yield connection
        finally:
            await connection.close()


async def ask(crowd: Load, name: str, count: int) -> Sequence[str]:
    return await asyncio.gather(*(crowd.ask(f"{name}-{number}") for number in range(count)))


async def settled(stack: Stack) -> snapshot.Snapshot:
    async with operator_of(stack) as operator:
        return await eventually(operator.at_rest, SETTLED_S, every=0.2)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("service", "unknown_orders"), CASES, ids=lambda one: str(one).rpartition(" ")[2])
async def test_a_restored_service_catches_up_with_the_bus(
    running: tuple[Stack, Tenant], service: Service, unknown_orders: str
) -> None:
    """By the runbook's commands; the first of them is killed half-way."""
    stack, tenant = running
    restorer = Restorer(stack, service)
    created = await _tasks_created(stack)
    case = f"{service}-{unknown_orders.rpartition(' ')[2]}"
    with logs_kept(stack, f"restore-{case}"):
        async with load_on(stack, tenant, shopper=f"shopper-{case}") as crowd:
            await ask(crowd, "before", BEFORE)
            await settled(stack)
            backup_at = await restorer.back_up()
            await ask(crowd, "after", AFTER)
            before = await settled(stack)
            await ask(crowd, "in-flight", IN_FLIGHT)
            await stack.stop(service)
            await restorer.restore()

            refused = await restorer.run([sys.executable, "-m", service.value.replace("-", "_")])
            assert refused.returncode == START_REFUSED, refused.stderr
            assert f"python -m {service.value.replace('-', '_')} recover --since" in refused.stdout + refused.stderr

            recover = command(service, backup_at, unknown_orders)
            await restorer.kill_half_way(recover)
            recovered = await restorer.run(recover)
            assert recovered.returncode == 0, recovered.stderr + recovered.stdout
            report = json.loads(recovered.stdout)
            assert report["restored"] > 0
            assert report["failed"] == {}
            assert service is Service.PERFECT_ADAPTER or report["notes"] == []
            repeated = len(report["notes"]) if unknown_orders == REPEAT else 0
            await stack.start(service)

            found = await settled(stack)
            jobs = found.by("jobs", "job_id")
            charged = sum(job["phase"] == "completed" for job in jobs.values())
            mine = set(crowd.accepted.values())
            completed = [job_id for job_id in mine if jobs[job_id]["phase"] == "completed"]
            assert snapshot.contradictions(found) == []
            assert mine <= jobs.keys() & found.by("shown", "job_id").keys()
            assert set(before.by("jobs", "job_id")) & mine <= set(completed)
            assert found.balances() == {tenant.account: CREDITS - PRICE * charged}
            assert len(mine) == BEFORE + AFTER + IN_FLIGHT
            assert len(completed) <= await _tasks_created(stack) - created <= len(mine) + repeated
            if service is not Service.PERFECT_ADAPTER or unknown_orders == REPEAT:
                assert len(completed) == len(mine)
            assert {jobs[job_id]["code"] for job_id in mine - set(completed)} <= {"vendor_ambiguous"}


async def _tasks_created(stack: Stack) -> int:
    return int((await stack.vendor.stats())["tasksCreated"])
