"""The demonstration ends well, and leaves nothing behind however it ends."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from closet_devstack.testing import eventually
from PIL import Image


async def started(folder: Path, **more: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "TMPDIR": str(folder), **more}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "closet_devstack", "demo", "--folder", folder / "demo",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def said(process: asyncio.subprocess.Process, words: str) -> None:
    """Wait until it says so."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if words in line.decode():
            return
    raise AssertionError(f"it ended without a word of {words}")


def family(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    """All that it started, and what that started."""
    return psutil.Process(process.pid).children(recursive=True)


async def all_gone(processes: list[psutil.Process]) -> None:
    await eventually(lambda: not psutil.wait_procs(processes, timeout=0)[1])


async def test_it_reports_a_completed_and_paid_try_on(tmp_path: Path) -> None:
    """Whatever proxy the machine has: the embedded stack is reached directly."""
    nowhere = "http://127.0.0.1:9"  # nobody listens there: whoever asked it would fail
    process = await started(tmp_path, HTTP_PROXY=nowhere, http_proxy=nowhere, NO_PROXY="", no_proxy="")
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    report = json.loads((tmp_path / "demo/report.json").read_text())
    assert report["jobId"] in out.decode()
    assert (report["status"], report["creditsHeld"], report["creditsCaptured"]) == ("completed", 5, 5)
    assert report["balanceBefore"] - report["balanceAfter"] == 5
    assert report["vendorCalls"] <= 2
    assert len(report["spansByService"]) == 5
    assert [moment["event"] for moment in report["timeline"]][-1] == "job.completed.v1"
    with Image.open(report["resultPath"]) as picture:
        assert picture.size == (768, 1024)
        assert not picture.getexif()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_interrupted_it_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    process = await started(tmp_path)
    await said(process, "billing-meter")
    children = family(process)
    assert len(children) >= 9, "four servers and five services"
    process.send_signal(number)
    code = await process.wait()
    assert code == (-number if number is signal.SIGKILL else 130)
    await all_gone(children)
