"""The containers of the compose file as processes of this machine."""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from closet_devstack.ports import free_ports
from closet_devstack.process import Child, DidNotStart, Owner, run
from closet_devstack.servers import reach
from closet_devstack.servers.postgres import PostgresServer
from closet_devstack.servers.s3 import remove_sockets

from tests.compose.composition import NETWORK, Composition

_READY_S = 120.0
_GRACE_S = 10.0
"""Docker's own."""


class Containers:
    """What `docker compose up` starts, in its order, as far as its programs are here."""

    def __init__(self, composition: Composition, state: Path, elsewhere: Mapping[str, str]) -> None:
        self.composition = composition
        self._state = state
        self._elsewhere = elsewhere
        """What a container that is not started would be for -> what is here instead."""
        self._running: dict[str, Child] = {}
        self._s3_ports: dict[str, int] = {}

    def environment(self, service: str) -> dict[str, str]:
        """The container's, as this machine has to have it."""
        told = self.composition.environment(service)
        for words, here in self._elsewhere.items():
            told = {name: value.replace(words, here) for name, value in told.items()}
        if service == "postgres":  # where its own programs look for it
            programs = reach.programs(reach.server_owner(self._state))
            told |= {"PATH": f"{programs}:{told['PATH']}", "PGHOST": NETWORK, "PGUSER": "postgres"}
            told |= {"PGPORT": str(self.composition.port("postgres", 5432)), "PGPASSWORD": told["POSTGRES_PASSWORD"]}
        return told

    def start(self, service: str) -> None:
        """Start it, with the files and programs that it has in its container."""
        self.composition.write_files(service)
        if service in self.composition.ours:
            self.composition.make_program(service)
        starting = {"postgres": self._start_postgres, "s3": self._start_s3}.get(service)
        if starting:
            starting()
        else:
            self._launch(service, self.composition.command(service))

    def finish(self, service: str) -> None:
        """Start what ends by itself, and wait for its good end."""
        self.start(service)
        child = self._running.pop(service)
        if code := child.wait(_READY_S):
            raise DidNotStart(f"{service} ended with {code}\n{child.tail()}")

    def wait_until_healthy(self, service: str) -> None:
        """By the health check that the file or the image has."""
        self._running[service].wait_until(
            lambda: self._asked(self.composition.health_check(service), service), _READY_S
        )

    def stop(self) -> None:
        """All of them, side by side."""
        with ThreadPoolExecutor() as stopping:
            list(stopping.map(_stop, self._running, self._running.values()))
        remove_sockets(self._s3_ports)

    def _asked(self, words: list[str], service: str = "postgres") -> bool:
        """Whether a command ends well in the container."""
        done = subprocess.run(words, env=self.environment(service), capture_output=True, check=False)  # noqa: S603 - the file's words
        return done.returncode == 0

    def _launch(self, service: str, words: list[str], owner: Owner | None = None) -> None:
        log = self._state / "logs" / f"{service}.log"
        env = self.environment(service)
        program = shutil.which(words[0], path=env["PATH"]) or words[0]
        self._running[service] = Child([program, *words[1:]], log, env=env, owner=owner, cwd=self._state)

    def _start_s3(self) -> None:
        """On free ports, of which its sockets in /tmp have their names too."""
        (self.composition.place("s3", "/data")).mkdir(parents=True, exist_ok=True)
        inner = zip(("master", "volume", "filer"), free_ports(3, with_grpc=True), strict=True)
        self._s3_ports = {**dict(inner), "s3": self.composition.port("s3", 8333)}
        options = [f"-{part}.port={port}" for part, port in self._s3_ports.items()]
        self._launch("s3", [*self.composition.command("s3"), *options])

    def _start_postgres(self) -> None:
        """As its image does: a new cluster, the server, and then its script as the superuser."""
        folder = self._state / "postgres"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "password").write_text(self.environment("postgres")["POSTGRES_PASSWORD"])
        with PostgresServer(folder) as cluster:
            data = cluster._data
        here = ["-D", str(data), "-c", f"listen_addresses={NETWORK}", "-c", "unix_socket_directories="]
        self._launch("postgres", [*self.composition.command("postgres"), *here], reach.server_owner(data))
        self._running["postgres"].wait_until(lambda: self._asked(["pg_isready"]), _READY_S)
        script = self.composition.place("postgres", "/docker-entrypoint-initdb.d/closet.sql")
        run(["psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-f", script], env=self.environment("postgres"))


def _stop(service: str, child: Child) -> None:
    if service == "s3":  # it would take all of its time
        child.kill()
    else:
        child.stop(signal.SIGINT if service == "postgres" else signal.SIGTERM, _GRACE_S)
