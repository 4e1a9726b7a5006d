"""A real PostgreSQL."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from closet_devstack.ports import free_port
from closet_devstack.process import Child, DidNotStart, Owner, run
from closet_devstack.servers import reach
from closet_devstack.servers.base import Given, Server

SUPERUSER = "postgres"
MAX_CONNECTIONS = 250
"""Two replicas of five services with a pool of 10 each, twice, and room for people."""

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their paths are too long for deep folders
    "max_connections": str(MAX_CONNECTIONS),
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "jit": "off",
    # Its log holds no input: no statements, no parameters, no DETAIL that quotes a row.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "timezone": "UTC",
}
_FAST = {"fsync": "off", "full_page_writes": "off", "autovacuum_naptime": "10s", "scram_iterations": "1"}
"""For throw-away data: a killed server loses nothing, a lost machine may.

Its passwords are long and random, so that hashing them thousands of times protects nothing, and costs each login 4 ms.
"""
_CREATING = "creating-"


def url_of(port: int, database: str, user: str, password: str) -> str:
    return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{port}/{quote(database, safe='')}"


class PostgresServer(Server):
    """PostgreSQL on a free port, its data in `folder` (or, when that cannot be reached, where a link there points).

    Args:
        folder: data, password and log.
        durable: flush to disk; off only for throw-away data.
        settings: server settings beside ours.
    """

    name = "postgres"

    def __init__(self, folder: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self._settings = {**_SETTINGS, **({} if durable else _FAST), **(settings or {})}
        self._port = 0
        self._password = ""

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        return url_of(self._port, database, user, self._password if password is None else password)

    def _choose_ports(self) -> None:
        self._port = free_port()

    def _launch(self) -> Child:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._data = _data_folder(self.folder)
        owner = reach.server_owner(self._data)
        programs = reach.programs(owner)
        self._password = _password(self.folder / "password")
        _forget_stale_pid(self._data)
        if not (self._data / "PG_VERSION").exists():
            self._create(programs, owner)
        options = [f"--{name}={value}" for name, value in {**self._settings, "port": str(self._port)}.items()]
        return Child(
            [programs / "postgres", "-D", self._data, *options],
            self.log,
            owner=owner,
            cwd=self._data.parent,
            death_signal=signal.SIGQUIT,  # at once, but with its children and its shared memory
        )

    def _create(self, programs: Path, owner: Owner | None) -> None:
        # A folder of its own, and renamed when complete: half a cluster would never start.
        for abandoned in self._data.parent.glob(f"{_CREATING}*"):  # by a start that was killed
            shutil.rmtree(abandoned)
        with tempfile.TemporaryDirectory(prefix=_CREATING, dir=self._data.parent) as aside:
            self._create_in(Path(aside), programs, owner)

    def _create_in(self, aside: Path, programs: Path, owner: Owner | None) -> None:
        secret = aside / "password"
        secret.write_text(self._password)
        if owner is not None:
            for path in (aside, secret):
                os.chown(path, *owner)
        options = [
            "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions", "--no-sync",
            "-c", f"scram_iterations={self._settings.get('scram_iterations', '4096')}",
        ]  # fmt: skip
        try:
            run([programs / "initdb", "-D", aside / "data", *options], owner=owner, cwd=aside)
        except subprocess.CalledProcessError as failed:
            raise DidNotStart(f"initdb failed: {failed.stderr}") from failed
        (aside / "data").rename(self._data)

    def _is_ready(self, child: Child) -> bool:
        """The server's own pid file says so, in its eighth line."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(child.pid) and lines[7].strip() == "ready"  # noqa: PLR2004 - see above

    def stop(self) -> None:
        if (child := self._take_child()) is not None:
            child.stop(signal.SIGINT, self.grace_s)  # "fast": does not wait for clients to leave


class GivenPostgres(Given):
    """A PostgreSQL that runs already, by the URL of a superuser."""

    name = "postgres"

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def url(self, database: str | None = None, user: str | None = None, password: str | None = None) -> str:
        parts = self._url
        if user is not None:
            address = parts.netloc.rpartition("@")[2]
            parts = parts._replace(netloc=f"{quote(user, safe='')}:{quote(password or '', safe='')}@{address}")
        if database is not None:
            parts = parts._replace(path=f"/{quote(database, safe='')}")
        return parts.geturl()


def _password(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16))
    return file.read_text()


def _forget_stale_pid(data: Path) -> None:
    """Remove the pid file of a killed server.

    Its number may belong to another process by now, which PostgreSQL would take for itself. A server that still runs
    is also known by its shared memory.
    """
    if not reach.is_served(data):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _data_folder(folder: Path) -> Path:
    """`folder`/data; where PostgreSQL's user cannot reach it, a link to a folder that it can."""
    data = folder / "data"
    if data.is_symlink():
        home = data.readlink().parent
        if not home.exists():
            raise reach.Unreachable(f"{home} is gone, and with it the data of {data}: remove {folder} to begin anew")
        reach.note_link(data, data.readlink())
        return data.readlink()
    if reach.can_reach(folder, reach.server_owner(data)):
        return data
    return reach.lend_data(data)
