"""The vendor's sandbox as a child process."""

import base64
import os
import secrets
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from closet_devstack.ports import free_port
from closet_devstack.process import Child
from closet_devstack.servers import probes
from closet_devstack.servers.base import Server


class PerfectServer(Server):
    """The sandbox on a free port.

    Args:
        folder: its log.
        options: command line options, see `python -m closet_devstack.sandbox.perfect --help`.
    """

    name = "perfect"
    grace_s = 3.0

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self._options = options
        self._port = 0
        self.api_key = secrets.token_urlsafe(24)
        self.webhook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def env(self) -> dict[str, str]:
        """The PERFECT_* settings of whoever is this vendor's customer."""
        return {
            "PERFECT_BASE": self.url,
            "PERFECT_API_KEY": self.api_key,
            "PERFECT_WEBHOOK_SECRET": self.webhook_secret,
            "PERFECT_RESULT_HOSTS": self.url.removeprefix("http://"),
        }

    def _choose_ports(self) -> None:
        self._port = free_port()

    def _launch(self) -> Child:
        program = [sys.executable, "-m", "closet_devstack.sandbox.perfect", "--port", str(self._port), *self._options]
        return Child(program, self.log, env={**os.environ, **self.env()})

    def _is_ready(self, child: Child) -> bool:
        """It knows our key."""
        request = urllib.request.Request(  # noqa: S310 - our own http URL
            f"{self.url}/_sandbox/ready", headers={"Authorization": f"Bearer {self.api_key}"}
        )
        return probes.http_is_ok(request) and child.returncode is None
