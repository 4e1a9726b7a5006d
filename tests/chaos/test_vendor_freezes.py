"""perfect-adapter is stopped between its claim and the order's bytes, and goes on when its lease is long gone."""

import os
import signal
from pathlib import Path

import pytest
from closet_contracts.render import RenderSucceeded
from closet_devstack.testing import eventually

from tests.bench.vendor.rig import ADAPTER, running

_SETTINGS = {
    "PERFECT_LEASE_S": "1",
    "PERFECT_AMBIGUOUS_WAIT_S": "1",
    "PERFECT_AMBIGUOUS_POLICY": "repeat",
    "PERFECT_POLL_AFTER_S": "0.5",
}
_SANDBOX = ("--latency-ms", "100", "--fixed-result")


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("step", ["intent_written", "confirmed", "connected"])
async def test_an_order_is_not_sent_after_its_lease_is_gone(step: str) -> None:
    """Another replica has made the picture by then: one task, one end."""
    async with running(_SANDBOX, 0, **_SETTINGS) as rig:
        frozen = rig.stack.replica(ADAPTER, 0)
        frozen.module = "tests.bench.vendor.adapter"
        await rig.stack.start_service(ADAPTER, 0, CRASH_AT=step, CRASH_ON="1", CRASH_SIGNAL="SIGSTOP")
        jobs = await rig.dispatch("acme", 1)
        await eventually(lambda: is_stopped(frozen.pid), 60)
        try:
            await rig.stack.start_service(ADAPTER, 1)
            await rig.all_ended(jobs, 60)
            assert isinstance(rig.ends[jobs[0]], RenderSucceeded)
            assert (await rig.stats())["tasksCreated"] == 1
        finally:
            os.kill(frozen.pid, signal.SIGCONT)
        # It works on: what it does next shows that it is past the order that it had in hand.
        more = await rig.dispatch("acme", 3)
        await rig.all_ended(more, 60)
        await rig.until("SELECT count(*) = 0 FROM vendor_calls WHERE operation = 'create' AND ended_at IS NULL", 60)
        stats = await rig.stats()
        assert (stats["tasksCreated"], stats["callsByOperation"]["create"]) == (4, 4)
        assert rig.ended_twice == 0
        withheld = "SELECT count(*) FROM vendor_calls WHERE operation = 'create' AND NOT sent"
        assert await rig.database.fetchval(withheld) == 1
