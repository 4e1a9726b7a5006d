"""Folders for servers' data: thrown away with their owner, or kept and owned by one process at a time."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from closet_devstack.servers import reach

_PREFIX = "closet-devstack-"
_LOCK = "owner.lock"


class FolderInUse(RuntimeError):
    """Another process keeps its servers in that folder."""


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """The folder, absolute, made if need be, for this process alone; freed by the system whatever happens to us.

    Raises:
        FolderInUse: another process has it.
    """
    folder = folder.absolute()
    with _locked(folder):
        yield folder


def empty(folder: Path) -> None:
    """Remove all that is in a claimed folder."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()


@contextlib.contextmanager
def throw_away() -> Iterator[Path]:
    """A fresh folder that PostgreSQL's user can reach, removed at the end; those of killed owners go as well."""
    home = _home()
    _sweep(home)
    with contextlib.ExitStack() as exits:
        folder = _new(home, exits)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _new(home: Path, exits: contextlib.ExitStack) -> Path:
    """Make and claim a folder; another one if a sweeper took the first for abandoned before it was claimed."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
        with contextlib.suppress(FolderInUse):
            exits.enter_context(claimed(folder))
            folder.chmod(0o755)
            return folder


def _locked(folder: Path) -> IO[str]:
    """The folder's lock, held. Whoever sweeps may remove both between two of our steps: then we begin again."""
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / _LOCK).open("w")
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise FolderInUse(f"another process runs its servers in {folder}") from None
        if _is_still_at(lock, folder / _LOCK):
            return lock
        lock.close()


def _is_still_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _home() -> Path:
    usual = Path(tempfile.gettempdir())
    if reach.can_reach(usual, reach.server_owner(usual)):
        return usual
    return reach.public_folder()


def _sweep(home: Path) -> None:
    """Remove folders whose owner was killed: its lock is free."""
    for folder in home.glob(f"{_PREFIX}*"):
        with contextlib.suppress(FolderInUse, OSError):  # it may vanish at any moment: others sweep as well
            if folder.lstat().st_uid == os.geteuid() and (folder / _LOCK).exists():
                with claimed(folder):
                    shutil.rmtree(folder, ignore_errors=True)
