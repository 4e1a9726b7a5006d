"""Folders for servers' data: thrown away with their owner, or kept and owned by one process at a time."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from closet_devstack.servers import reach

_PREFIX = "closet-devstack-"
_LOCK = "owner.lock"


class FolderInUse(RuntimeError):
    """Another process keeps its servers in that folder."""


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """The folder, made if need be, for this process alone; freed by the system whatever happens to us.

    Raises:
        FolderInUse: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"another process runs its servers in {folder}") from None
        yield folder


@contextlib.contextmanager
def throw_away() -> Iterator[Path]:
    """A fresh folder that PostgreSQL's user can reach, removed at the end; those of killed owners go as well."""
    home = _home()
    _sweep(home)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
    folder.chmod(0o755)
    try:
        with claimed(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _home() -> Path:
    usual = Path(tempfile.gettempdir())
    if reach.can_reach(usual, reach.server_owner(usual)):
        return usual
    return reach.public_folder()


def _sweep(home: Path) -> None:
    """Remove folders whose owner was killed: its lock is free."""
    for folder in home.glob(f"{_PREFIX}*"):
        if folder.stat().st_uid != os.geteuid() or not (folder / _LOCK).exists():
            continue
        with contextlib.suppress(FolderInUse, OSError), claimed(folder):
            shutil.rmtree(folder, ignore_errors=True)
