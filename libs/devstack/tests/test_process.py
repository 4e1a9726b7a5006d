"""Children start when they answer, stop when told, and never outlive their parent."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from closet_devstack.process import Child, DidNotStart, Owner, run
from closet_devstack.servers.s3 import remove_sockets
from closet_devstack.testing import eventually

STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
)

MOTHER = f"""
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", {STUBBORN!r}]).pid, flush=True)
time.sleep(600)
"""

ALL_PARTS = """
import json, sys, time
from pathlib import Path
from closet_operator.permissions import server_users
from closet_devstack.bus import new_passwords
from closet_devstack.servers.nats import NatsServer
from closet_devstack.servers.perfect import PerfectServer
from closet_devstack.servers.postgres import PostgresServer
from closet_devstack.servers.s3 import S3Server

folder = Path(sys.argv[1])
parts = [NatsServer(folder / "nats", new_passwords(), server_users), PostgresServer(folder / "postgres"),
         S3Server(folder / "s3"), PerfectServer(folder / "perfect")]
print(json.dumps([part.start().pid for part in parts]), flush=True)
time.sleep(600)
"""


def python(code: str, log: Path) -> Child:
    return Child([sys.executable, "-c", code], log)


def has_ended(pid: int) -> bool:
    """Gone, or dead and waiting for whoever adopts orphans here to notice."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_one_that_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = python("import sys; sys.exit('no such table')", tmp_path / "early.log")
    with pytest.raises(DidNotStart, match=r"early ended with 1(.|\n)*no such table"):
        child.wait_until(lambda: False, 20)


def test_one_that_never_answers_is_killed(tmp_path: Path) -> None:
    child = python("import time; time.sleep(600)", tmp_path / "mute.log")
    with pytest.raises(DidNotStart, match="mute was not ready"):
        child.wait_until(lambda: False, 0.05)
    assert child.returncode == -signal.SIGKILL


def test_one_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    child = python(STUBBORN, tmp_path / "stubborn.log")
    child.wait_until(lambda: "up" in child.tail(), 20)
    assert child.stop(grace_s=0.05) == -signal.SIGKILL


async def test_a_stopped_child_takes_its_own_children_along(tmp_path: Path) -> None:
    child = python(MOTHER, tmp_path / "mother.log")
    child.wait_until(lambda: "up" in child.tail(), 20)
    grandchild = int(next(line for line in child.tail().splitlines() if line != "up"))
    child.stop()
    await eventually(lambda: has_ended(grandchild))


def test_what_a_failed_program_said_is_in_the_notes() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run([sys.executable, "-c", "import sys; sys.exit('the reason')"])
    assert "the reason" in failed.value.__notes__[0]


@pytest.mark.skipif("os.geteuid() != 0", reason="only root may become another user")
def test_a_child_of_root_can_be_another_user(tmp_path: Path) -> None:
    child = Child(["/bin/sh", "-c", "id -u; id -g; id -G"], tmp_path / "other.log", owner=Owner(65534, 65534))
    assert child.wait(20) == 0
    assert child.tail().split() == ["65534"] * 3


def test_every_server_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    parent = subprocess.Popen([sys.executable, "-c", ALL_PARTS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pids = json.loads(parent.stdout.readline())
        postgres = Path(f"/proc/{pids[1]}/task/{pids[1]}/children").read_text().split()
        options = re.findall(r"-(\w+)\.port=(\d+)", Path(f"/proc/{pids[2]}/cmdline").read_text())
        assert len(pids) == 4
        assert postgres
        parent.kill()
    parent.wait()
    asyncio.run(eventually(lambda: all(has_ended(int(pid)) for pid in (*pids, *postgres))))
    remove_sockets({part: int(port) for part, port in options})  # whose next start would, if they were old
