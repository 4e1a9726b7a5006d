"""SIGKILL at every step of an order's life, with faults of the vendor's on: what is paid is what is delivered."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from closet_devstack.service import ServiceProcess
from closet_devstack.testing import eventually

from tests.bench.vendor.adapter import STEPS
from tests.bench.vendor.rig import ADAPTER, Rig, running

REPLICAS = 3
KEYS = 6
"""Several, so that an ambiguous order holds up one of them only."""
_PROGRAM = "tests.bench.vendor.adapter"
_SANDBOX = ("--latency-ms", "150", "--quota-calls", "0", "--calls-per-second", "0", "--fixed-result")
_SETTINGS = {
    "PERFECT_QUOTA_CALLS": "0",
    "PERFECT_PACE_PER_S": "0",
    "PERFECT_POLL_AFTER_S": "1",
    "PERFECT_LEASE_S": "1",
    # Long after any task has ended: an order that left no trace by then was never carried out. No longer than others
    # wait for it at the least: two of a key and path are never ambiguous together.
    "PERFECT_AMBIGUOUS_WAIT_S": "5",
    "PERFECT_AMBIGUOUS_POLICY": "repeat",
    "PERFECT_TASK_LONGEST_S": "6",
    "PERFECT_AMBIGUOUS_REPEATS": "100000",
}
_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "lost_answer", "probability": 0.05, "operation": "create"},
    {"kind": "lost_answer", "probability": 0.05, "operation": "look"},
    {"kind": "refuse", "probability": 0.03, "operation": "look", "status": 500},
    {"kind": "slow_answer", "probability": 0.1, "ms": 120},
    {"kind": "webhook_lost", "probability": 0.2},
    {"kind": "webhook_double", "probability": 0.1},
    {"kind": "webhook_delay", "probability": 0.1, "ms": 800},
    {"kind": "result_gone", "probability": 0.03},
    {"kind": "result_cut", "probability": 0.03},
)
_NOT_DELIVERED = """
    SELECT render_id, key, state, code, asked_at::text, searched_at::text, tried_at::text, in_vain, doubts, repeats
    FROM renders WHERE state <> 'done'
"""
_JOBS_AHEAD = 9
_CRASH_WITHIN_S = 60.0
_SETTLED_S = 180.0


@dataclass
class Crasher:
    """A replica that is started again and again, to die at the next step."""

    rig: Rig
    number: int
    dice: random.Random
    survived: Counter[str]
    jobs: list[str]

    async def die_at(self, step: str) -> None:
        """Start, and wait for the end."""
        replica = self.rig.stack.replica(ADAPTER, self.number)
        replica.module = _PROGRAM
        on = str(self.dice.randint(1, 3))
        await self.rig.stack.start_service(ADAPTER, self.number, CRASH_AT=step, CRASH_ON=on)
        self.jobs += await self.rig.dispatch("acme", _JOBS_AHEAD)
        await eventually(lambda: self._fed_to_death(replica), _CRASH_WITHIN_S, every=0.1)
        self.survived[step] += 1

    async def _fed_to_death(self, replica: ServiceProcess) -> bool:
        """Is it dead? If not, it shall have something to do."""
        if replica.is_running and len(self.jobs) - len(self.rig.ends) < _JOBS_AHEAD:
            self.jobs += await self.rig.dispatch("acme", 1)
        return not replica.is_running


async def crashes(each: int, seed: int = 0) -> dict[str, Any]:
    """Kill at each step so many times; then let all come to rest, and count."""
    dice = random.Random(seed)
    keys = [f"key-of-the-bench-{number}" for number in range(KEYS)]
    async with running(_SANDBOX, 0, PERFECT_API_KEY=",".join(keys), **_SETTINGS) as rig:
        await rig.stack.vendor.change(answer_ms=40, seed=seed, api_keys=keys)
        for fault in _FAULTS:
            await rig.stack.vendor.fault(count=-1, **fault)
        survived, jobs = Counter[str](), list[str]()
        plan = [step for step in STEPS for _ in range(each)]
        dice.shuffle(plan)
        crashers = [Crasher(rig, number, dice, survived, jobs) for number in range(REPLICAS)]
        await asyncio.gather(*(_run(crasher, plan) for crasher in crashers))
        await rig.stack.vendor.clear_faults()
        for number in range(REPLICAS):
            await rig.stack.start_service(ADAPTER, number)
        await rig.all_ended(jobs, _SETTLED_S)
        return await _counted(rig, jobs, survived)


async def _run(crasher: Crasher, plan: list[str]) -> None:
    while plan:
        await crasher.die_at(plan.pop())


async def _counted(rig: Rig, jobs: list[str], survived: Counter[str]) -> dict[str, Any]:
    """What the sandbox and the database say once nothing runs any more."""

    async def rested() -> dict[str, Any] | None:
        stats = await rig.stats()
        return stats if not stats["tasksByStatus"].get("running") else None

    stats = await eventually(rested, timeout=30)
    tasks = await rig.stack.vendor.tasks()
    repeats = await rig.database.fetchval("SELECT coalesce(sum(repeats), 0) FROM renders")
    given_up = await rig.database.fetchval("SELECT count(*) FROM renders WHERE code = 'vendor_ambiguous'")
    delivered = await rig.database.fetchval("SELECT count(*) FROM renders WHERE state = 'done'")
    return {
        "jobs": len(jobs),
        "tasksCreated": stats["tasksCreated"],
        "unitsPaid": sum(task["unitsCharged"] for task in tasks),
        "resultsDelivered": delivered,
        "givenUp": given_up,
        "notDelivered": [dict(row) for row in await rig.database.fetch(_NOT_DELIVERED)],
        "endedTwice": rig.ended_twice,
        "neverCarriedOut": repeats,
        "crashesSurvived": sum(survived.values()),
        "crashesByStep": dict(survived),
    }
