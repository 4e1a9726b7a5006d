"""Child processes that never outlive their parent."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

_LAUNCH = Path(__file__).with_name("launch.py")
_POLL_S = 0.01

_spawner = ThreadPoolExecutor(1, thread_name_prefix="closet-spawner")
"""Linux ties "dies with the parent" to the *thread* that forked. This one lives as long as the process."""


class Owner(NamedTuple):
    """The user a child runs as."""

    uid: int
    gid: int


class DidNotStart(RuntimeError):
    """A child ended, or did not become ready in time. The message ends with its last log lines."""


class Child:
    """A running program in a session of its own, its output in a file."""

    def __init__(  # noqa: PLR0913 - the last five are keywords with defaults
        self,
        argv: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        owner: Owner | None = None,
        cwd: Path | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = log.stem
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        uid, gid = owner or (-1, -1)
        identity = [str(number) for number in (os.getpid(), int(death_signal), uid, gid)]
        command = [sys.executable, "-I", "-S", str(_LAUNCH), *identity, *map(str, argv)]
        with log.open("ab") as output:
            self._popen = _spawner.submit(
                lambda: subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=dict(env) if env is not None else None,
                    cwd=cwd,
                    start_new_session=True,  # a Ctrl-C in the terminal is for us, who stop things in order
                )
            ).result()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit code (negative: the signal), None while it runs."""
        return self._popen.poll()

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Ask until ready.

        Raises:
            DidNotStart: it ended, or the time is over; it has been killed.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.returncode is not None:
                raise DidNotStart(f"{self.name} ended with {self.returncode}\n{self.tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise DidNotStart(f"{self.name} was not ready after {timeout_s:g} s\n{self.tail()}")
            time.sleep(_POLL_S)

    def wait(self, timeout_s: float) -> int:
        """Wait for its end.

        Raises:
            TimeoutError: it still runs.
        """
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs after {timeout_s:g} s") from None

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._popen.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, grace_s: float = 10.0) -> int:
        """Ask it to stop, wait, then kill it and whatever it left in its process group."""
        self.send(number)
        deadline = time.monotonic() + grace_s
        while self._popen.returncode is None and not self._is_zombie() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to it and to its process group."""
        if self._popen.returncode is None:  # once reaped, the number may be another process's
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._popen.wait()

    def _is_zombie(self) -> bool:
        """It ended, and still holds its number: its group can be killed safely."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def run(
    argv: Sequence[str | Path],
    *,
    owner: Owner | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a short program to its end; what it printed.

    Raises:
        subprocess.CalledProcessError: it failed; the error's notes hold what it said.
    """
    user = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner else {}
    try:
        done = subprocess.run(  # type: ignore[call-overload]  # the overloads do not see through **user
            [*map(str, argv)], check=True, capture_output=True, text=True, cwd=cwd, env=env,
            start_new_session=True,  # as above: a Ctrl-C is for us
            **user,
        )  # fmt: skip
    except subprocess.CalledProcessError as failed:
        failed.add_note(f"{failed.stdout}\n{failed.stderr}")
        raise
    return str(done.stdout)


def installed(program: str) -> Path:
    """A program that a package of ours brought.

    Raises:
        FileNotFoundError: there is none for this platform.
    """
    found = shutil.which(program, path=sysconfig.get_path("scripts"))
    if found is None:
        raise FileNotFoundError(f"{program} is not installed beside {sys.executable}")
    return Path(found)


def is_installed(program: str) -> bool:
    return shutil.which(program, path=sysconfig.get_path("scripts")) is not None
