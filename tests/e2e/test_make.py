"""What a person calls: in a new clone, as an ordinary user and as root, beside others, ended at any moment."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from closet_devstack.folders import throw_away

from tests.e2e.clones import ORDINARY_UID, Clone, Command, make_clone, nothing_left_by

AS_ROOT = os.geteuid() == 0
UP = "Ctrl-C stops everything"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def clones(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Clone]]:
    """Two clones of one user: an ordinary one, or root, whose clones lie where nobody else can go, as in its home."""
    if getattr(request, "param", "ordinary") == "root":
        if not AS_ROOT:
            pytest.skip("only root can tell what happens to root")
        tmp_path.chmod(0o700)
        yield [make_clone(tmp_path / name) for name in ("one", "two")]
        return
    if AS_ROOT and shutil.which("setpriv") is None:
        pytest.skip("root becomes an ordinary user by setpriv of util-linux, which is not here")
    with throw_away() as home:
        uid = ORDINARY_UID if AS_ROOT else os.geteuid()
        yield [make_clone(home / name, uid) for name in ("one", "two")]


@pytest.fixture
def usual_ports_taken() -> Iterator[None]:
    """Somebody listens where NATS, PostgreSQL, the gateway and S3 usually do."""
    with contextlib.ExitStack() as exits:
        for port in (4222, 5432, 8080, 8333):
            other = exits.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # somebody else does already: as good
                other.bind(("127.0.0.1", port))
                other.listen()
        yield


def balance(clone: Clone) -> int:
    told = clone.run("source build/run/closet.env; .venv/bin/closet balance --json")
    return int(json.loads(told)["balance"])


@pytest.mark.usefixtures("usual_ports_taken")
@pytest.mark.parametrize("clones", ["ordinary", "root"], indirect=True)
async def test_make_run_works_in_two_clones_at_once_and_leaves_nothing(clones: list[Clone]) -> None:
    with nothing_left_by(clones[0]), nothing_left_by(clones[1]):
        running = [await Command.start(clone, "make", "run") for clone in clones]
        await asyncio.gather(*(one.says(UP) for one in running))
        for clone in clones:
            assert await asyncio.to_thread(balance, clone) == 1000
            assert (clone.folder / "build/run").stat().st_uid == clone.uid
        for one in running:
            one.interrupt()
        for one in running:
            await one.end()


async def test_make_run_interrupted_while_it_starts_leaves_nothing_and_starts_again(clones: list[Clone]) -> None:
    clone = clones[0]
    for program in ("initdb", "kiosk_gateway"):
        with nothing_left_by(clone):
            starting = await Command.start(clone, "make", "run")
            await starting.runs(program)
            starting.interrupt()
            starting.interrupt()  # the impatient do it twice
            await starting.end()
            assert UP not in starting.told
    with nothing_left_by(clone):
        again = await Command.start(clone, "make", "run")
        await again.says(UP)
        again.interrupt()
        await again.end()


async def test_a_second_one_in_the_same_clone_says_that_the_folder_is_in_use(clones: list[Clone]) -> None:
    clone = clones[0]
    for target in ("run", "demo"):
        first = await Command.start(clone, "make", target)
        await first.runs("nats-server")
        second = await Command.start(clone, "make", target)
        assert await second.end() == 2
        assert "another process runs its servers in" in second.told
        assert "Traceback" not in second.told
        first.interrupt()
        await first.end()


async def test_make_demo_works_in_two_clones_at_once_and_leaves_nothing(clones: list[Clone]) -> None:
    with nothing_left_by(clones[0]), nothing_left_by(clones[1]):
        running = [await Command.start(clone, "make", "demo") for clone in clones]
        codes = await asyncio.gather(*(one.end() for one in running))
        assert codes == [0, 0], "".join(one.told for one in running)
        for clone in clones:
            assert json.loads((clone.folder / "build/demo/report.json").read_text())["status"] == "completed"
