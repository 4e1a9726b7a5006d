"""Latencies, a faster clock, and what a scenario lets happen."""

import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
from closet_devstack.sandbox.perfect import scenarios
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.sandbox.perfect.scenario import read_scenario
from closet_devstack.servers.perfect import PerfectServer
from closet_devstack.testing import eventually

from .customer import CREDIT, MODEL, TEXT, World

TEXT_ORDER = {"model": MODEL, "prompt": "a fox"}


async def latencies(world: World, sandbox: Remote, count: int) -> list[float]:
    """What was drawn for tasks, none of which ended before its time."""
    for task_id in [await world.begin(TEXT, TEXT_ORDER) for _ in range(count)]:
        await world.ended(task_id, TEXT)
    tasks = await sandbox.tasks()
    assert all((task["endedAt"] - task["createdAt"]) * 1000 >= task["latencyMs"] - 1 for task in tasks)
    return [task["latencyMs"] for task in tasks]


async def test_latency_is_fixed_and_a_draw_beside_it(world: World, sandbox: Remote) -> None:
    drawn = []
    for seed in (3, 3, 4):
        await sandbox.reset()
        spread = {"kind": "uniform", "minMs": 10_000, "maxMs": 90_000}
        await sandbox.change(latency_ms=100_000, latency_distribution=spread, speed=500, fixed_result=True, seed=seed)
        drawn.append(await latencies(world, sandbox, count=3))
    assert all(110_000 <= latency <= 190_000 for run in drawn for latency in run)
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    "spread",
    [
        {"kind": "lognormal", "medianMs": 40_000, "sigma": 0.1},
        {"kind": "exponential", "meanMs": 40_000},
    ],
)
async def test_latency_may_have_a_tail(world: World, sandbox: Remote, spread: dict[str, object]) -> None:
    await sandbox.change(latency_ms=0, latency_distribution=spread, speed=500, fixed_result=True)
    drawn = await latencies(world, sandbox, count=8)
    assert len(set(drawn)) == 8
    assert max(drawn) > 20_000


async def test_a_fast_clock_shortens_latencies_windows_and_validity(world: World, sandbox: Remote) -> None:
    await sandbox.change(speed=1000, latency_ms=100_000, quota_calls=1, quota_window_s=300)
    await world.begin(TEXT, TEXT_ORDER)
    await eventually(lambda: _succeeded(sandbox))
    await eventually(lambda: _let_in(world))  # 300 s later
    [task] = await sandbox.tasks()
    assert 100 <= task["endedAt"] - task["createdAt"] < 10_000


async def _succeeded(sandbox: Remote) -> bool:
    return bool((await sandbox.stats())["tasksByStatus"] == {"success": 1})


async def _let_in(world: World) -> bool:
    return (await world.call("GET", CREDIT)).status == 200


async def test_who_waits_by_the_clock_wakes_when_it_is_put_forward(world: World, sandbox: Remote) -> None:
    await sandbox.change(latency_ms=3_600_000)
    task_id = await world.begin(TEXT, TEXT_ORDER)
    assert (await world.look(task_id, TEXT))["task_status"] == "running"
    await sandbox.advance(3600)
    assert (await world.ended(task_id, TEXT))["task_status"] == "success"


STEPS = """
settings: {apiKeys: [one], quotaCalls: 0, seed: 5}
faults:
  - {kind: refuse, status: 503, operation: credit}
steps:
  - {at: 900, clearFaults: true, settings: {inactiveKeys: []}, nudges: [{units: 7, key: one}]}
  - {at: 600, settings: {inactiveKeys: [one]}, faults: [{kind: cut, operation: history}]}
"""


@pytest.fixture
def directed(tmp_path: Path) -> Iterator[PerfectServer]:
    """A vendor that follows a scenario."""
    file = tmp_path / "scenario.yaml"
    file.write_text(STEPS)
    server = PerfectServer(tmp_path / "perfect", ["--scenario", str(file)])
    try:
        yield server.start()
    finally:
        server.discard()


async def test_a_scenario_happens_in_order_and_again_after_a_reset(directed: PerfectServer) -> None:
    remote = Remote(directed.url)
    for _ in range(2):
        assert await credit(directed) == 503
        assert await credit(directed) == 200
        await remote.advance(601)
        await eventually(lambda: is_refused(directed))
        await remote.advance(300)
        await eventually(lambda: is_rich(remote))
        assert await credit(directed) == 200
        await remote.reset()


async def credit(server: PerfectServer) -> int:
    headers = {"Authorization": "Bearer one"}
    async with aiohttp.ClientSession() as session, session.get(server.url + CREDIT, headers=headers) as response:
        return response.status


async def is_refused(server: PerfectServer) -> bool:
    return await credit(server) == 401


async def is_rich(remote: Remote) -> bool:
    return bool((await remote.stats())["unitsBalanceByKey"]["one"] == 7)


def test_the_shipped_scenarios_can_be_read() -> None:
    folder = Path(scenarios.__file__).parent
    found = {file.name: read_scenario(file) for file in folder.iterdir() if file.suffix in {".yaml", ".json"}}
    assert set(found) == {"rough-hour.yaml", "two-keys.json"}
    assert all(scenario.description and scenario.steps for scenario in found.values())


@pytest.mark.parametrize("text", ["- 1", "steps: [{at: -1}]", "sets: {}", "settings: {speed: 0}", "a: b: c"])
def test_what_is_no_scenario_is_not_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"\S"):
        read_scenario(file)


def test_json_is_a_scenario_too(tmp_path: Path) -> None:
    file = tmp_path / "scenario.json"
    file.write_text(json.dumps({"steps": [{"at": 1, "settings": {"latencyMs": 5}}]}, indent="\t"))
    [step] = read_scenario(file).steps
    assert (step.at, step.settings.latency_ms) == (1, 5)


async def test_answers_carry_the_vendors_time_which_may_be_behind(sandbox: Remote) -> None:
    for shift_s, expected in ((90, 90), (-180, -90)):
        await sandbox.advance(shift_s)
        async with aiohttp.ClientSession() as session, session.get(f"{sandbox.url}{CREDIT}") as response:
            ahead_s = parsedate_to_datetime(response.headers["Date"]).timestamp() - time.time()
        assert abs(ahead_s - expected) < 10
