"""Runs the load generator through a phase, and measures everybody meanwhile."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from closet_contracts.ownership import Service
from closet_devstack.stack import Stack

from tests.bench.plan import Plan, Result
from tests.bench.usage import Cpu, Memory, Meter

GENERATOR = "loadGenerator"
_LINE = 64 << 20
_LOOK_AT_MEMORY_EVERY_S = 1.0


@dataclass(frozen=True)
class Observed:
    """A phase: what the generator saw, and what happened in the measured seconds."""

    result: Result
    begin: Cpu
    end: Cpu
    completed: int
    """Jobs that became completed in the gateway's read model."""
    memory: dict[Service, Memory]
    """The most that was seen of each service."""

    @property
    def seconds(self) -> float:
        return self.end.at - self.begin.at


async def observe(stack: Stack, meter: Meter, plan: Plan) -> Observed:
    """Run a phase.

    Raises:
        RuntimeError: the generator failed.
    """
    database = await asyncpg.connect(stack.postgres.url("kiosk_gateway"))
    try:
        async with _generator(plan) as generator, _memory_watched(meter) as memory:
            meter.add(GENERATOR, generator.pid)
            await _marked(generator, b"begin")
            begin, before = meter.cpu(), await _completed(database)
            await _marked(generator, b"end")
            end, after = meter.cpu(), await _completed(database)
            result = Result.model_validate_json(await _line(generator))
    finally:
        await database.close()
    return Observed(result, begin, end, after - before, memory)


@asynccontextmanager
async def _generator(plan: Plan) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.load", stdin=PIPE, stdout=PIPE, limit=_LINE
    )
    try:
        assert process.stdin
        process.stdin.write(plan.model_dump_json().encode() + b"\n")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def _memory_watched(meter: Meter) -> AsyncIterator[dict[Service, Memory]]:
    most: dict[Service, Memory] = {}

    async def watch() -> None:
        while True:
            for service in Service:
                most[service] = meter.memory(service).or_more(most.get(service))
            await asyncio.sleep(_LOOK_AT_MEMORY_EVERY_S)

    watching = asyncio.create_task(watch())
    try:
        yield most
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def _marked(generator: Process, mark: bytes) -> None:
    if (line := await _line(generator)) != mark:
        raise RuntimeError(f"the load generator said {line[:100]!r}, not {mark!r}")


async def _line(generator: Process) -> bytes:
    assert generator.stdout
    return (await generator.stdout.readline()).strip()


async def _completed(database: asyncpg.Connection) -> int:
    return int(await database.fetchval("SELECT count(*) FROM jobs WHERE status = 'completed'"))
