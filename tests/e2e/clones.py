"""Clones of the repository for tests of its commands, and an ordinary user to run them."""

import asyncio
import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from closet_devstack.ports import GRPC_OFFSET
from closet_devstack.testing import eventually

ROOT = Path(__file__).parents[2]
ORDINARY_UID = pwd.getpwnam("nobody").pw_uid
"""What root becomes to be an ordinary user; PostgreSQL wants one who has a name."""

_TMP = Path("/tmp")  # noqa: S108 - SeaweedFS has its sockets there, whatever TMPDIR says
_OWN = {"deploy", "docker-compose.yml"}
"""Commands write there."""
_NOT_CLONED = {".git", "build"}


@dataclass(frozen=True)
class Clone:
    """A folder that looks like a clone in which `make install` has been done, and is as good as new otherwise."""

    folder: Path
    uid: int = field(default_factory=os.geteuid)

    @property
    def temporary(self) -> Path:
        """Its TMPDIR."""
        return self.folder.with_name(f"{self.folder.name}-tmp")

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a user's terminal has, and nothing of ours: no setting of a service, no make above."""
        path = f"{self.folder / '.venv/bin'}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.temporary), "TMPDIR": str(self.temporary), **(more or {})}

    def argv(self, *command: str) -> list[str]:
        """The command as this clone's user. He may read all, for the interpreter may be in root's home."""
        if self.uid == os.geteuid():
            return list(command)
        reading = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", *reading, *command]

    def run(self, script: str) -> str:
        """What a script of bash prints; it has to succeed."""
        done = subprocess.run(  # noqa: S603 - the tests' own words
            self.argv("bash", "-euo", "pipefail", "-c", script),
            cwd=self.folder, env=self.env(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


def make_clone(folder: Path, uid: int | None = None) -> Clone:
    """Make one of the repository's own files."""
    clone = Clone(folder, os.geteuid() if uid is None else uid)
    for made in (clone.folder, clone.temporary):
        made.mkdir(parents=True)
        os.chown(made, clone.uid, -1)
    for entry in ROOT.iterdir():
        if entry.name in _OWN:
            (shutil.copytree if entry.is_dir() else shutil.copy)(entry, folder / entry.name)
            for path in (folder / entry.name, *(folder / entry.name).rglob("*")):
                os.chown(path, clone.uid, -1)
        elif entry.name not in _NOT_CLONED:
            (folder / entry.name).symlink_to(entry)
    return clone


class Command:
    """A command in a terminal of its own: Ctrl-C reaches it and everything that it runs in the foreground."""

    def __init__(self, clone: Clone, process: asyncio.subprocess.Process) -> None:
        self.clone = clone
        self._process = process
        self._told: list[str] = []
        self._family: set[psutil.Process] = set()
        self._ports: set[int] = set()

    @classmethod
    async def start(cls, clone: Clone, *command: str, **env: str) -> "Command":
        process = await asyncio.create_subprocess_exec(
            *clone.argv(*command), cwd=clone.folder, env=clone.env(env), start_new_session=True,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        return cls(clone, process)

    async def says(self, words: str) -> None:
        """Wait until it says so."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._told.append(line.decode())
            if words in self._told[-1]:
                self.family()
                return
        raise AssertionError(f"it ended without a word of {words}:\n{''.join(self._told)}")

    def family(self) -> set[psutil.Process]:
        """All that it has ever been seen to run, itself included."""
        with contextlib.suppress(psutil.NoSuchProcess):
            mother = psutil.Process(self._process.pid)
            self._family |= {mother, *mother.children(recursive=True)}
        words = " ".join(word for one in self._family for word in _words(one))
        self._ports |= {int(port) for port in re.findall(r"\.port=(\d+)", words)}
        return self._family

    async def runs(self, program: str) -> None:
        """Wait until a program, or a module of Python's, of that name runs in it."""
        await eventually(lambda: any(program in _words(one) for one in self.family()), 60)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.family()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)

    async def end(self) -> int:
        """Wait until it and everything it ran are gone, with the sockets that SeaweedFS has in /tmp; its exit code."""
        rest = asyncio.ensure_future(self._process.communicate())
        while not rest.done():
            self.family()
            await asyncio.wait([rest], timeout=0.1)
        self._told.append((await rest)[0].decode())
        await eventually(lambda: all(_has_ended(one) for one in self._family))
        assert not self._sockets()
        return await self._process.wait()

    def _sockets(self) -> list[Path]:
        ports = self._ports | {port + GRPC_OFFSET for port in self._ports}
        return [path for port in ports for path in _TMP.glob(f"seaweedfs-*-{port}.sock")]

    @property
    def told(self) -> str:
        return "".join(self._told)


def _has_ended(process: psutil.Process) -> bool:
    """Gone, or dead and waiting for its parent to notice. Asked without reaping: asyncio does that for our own."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _words(process: psutil.Process) -> list[str]:
    try:
        return [process.name(), *process.cmdline()[1:]]
    except psutil.NoSuchProcess:
        return []


@contextlib.contextmanager
def nothing_left_by(clone: Clone) -> Iterator[None]:
    """Within, commands run in the clone; afterwards its temporary folder is empty."""
    yield
    assert not list(clone.temporary.iterdir())
