"""One of the five services as a child process."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from closet_contracts.ownership import Service

from closet_devstack.ports import free_port, is_free
from closet_devstack.process import Child, DidNotStart, run
from closet_devstack.servers import probes
from closet_devstack.servers.base import Server

_PORT_TAKEN = "address already in use"


def _module_of(service: Service) -> str:
    return service.value.replace("-", "_")


class ServiceProcess(Server):
    """A replica of a service; ready when its /readyz says so.

    Args:
        folder: where its log goes.
        env: its whole environment, which names its port.
        preferred_port: taken if it is free.
    """

    ready_s = 120.0  # migrations included
    grace_s = 25.0  # more than a service allows itself

    def __init__(
        self,
        service: Service,
        replica: int,
        folder: Path,
        env: Callable[[], Mapping[str, str]],
        preferred_port: int | None = None,
    ) -> None:
        super().__init__(folder)
        self.service = service
        self.replica = replica
        self.name = f"{service}-{replica}"
        self.extra: Mapping[str, str] = {}
        """Settings beside those of `env`, from the next start on."""
        self.module = _module_of(service)
        """What is run; tests may run the service inside a program of their own."""
        self._env = env
        self._preferred_port = preferred_port
        self.port = free_port(preferred_port)
        self.admin_port = free_port()

    @property
    def admin_url(self) -> str:
        """Where it answers operators: `/metrics`, and `/readyz` with reasons."""
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, arguments: Sequence[str]) -> str:
        """Run the service's own command line with its environment; what it printed."""
        program = [sys.executable, "-m", _module_of(self.service), *arguments]
        return run(program, env={**self._env(), **self.extra})

    def _choose_ports(self) -> None:
        if not is_free(self.port):
            self.port = free_port(self._preferred_port)
        if not is_free(self.admin_port):
            self.admin_port = free_port()

    def _launch(self) -> Child:
        program = [sys.executable, "-m", self.module]
        return Child(program, self.log, env={**self._env(), **self.extra})

    def _is_ready(self, child: Child) -> bool:
        is_ready = probes.http_is_ok(f"{self.url}/readyz") and probes.answers_as(self.admin_url, child.pid)
        return is_ready and child.returncode is None

    def _may_try_again(self, error: DidNotStart) -> bool:
        """A service that fails at its start fails again, unless somebody took its port."""
        return _PORT_TAKEN in str(error).lower() and not self._has_ports
