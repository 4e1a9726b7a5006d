"""Stripe's sandbox as a child process."""

import os
import secrets
import sys
import urllib.request
from pathlib import Path

from closet_devstack.ports import free_port
from closet_devstack.process import Child
from closet_devstack.servers import probes
from closet_devstack.servers.base import Server


class StripeServer(Server):
    """The sandbox on a free port, with a log in `folder`."""

    name = "stripe"
    grace_s = 3.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = 0
        self.api_key = f"sk_test_{secrets.token_hex(12)}"
        self.webhook_secret = f"whsec_{secrets.token_hex(16)}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def env(self) -> dict[str, str]:
        """The STRIPE_* settings of whoever has this account."""
        return {
            "STRIPE_API_BASE": self.url,
            "STRIPE_SECRET_KEY": self.api_key,
            "STRIPE_WEBHOOK_SECRET": self.webhook_secret,
            "STRIPE_METER_ID": "mtr_closet",
        }

    def _choose_ports(self) -> None:
        self._port = free_port()

    def _launch(self) -> Child:
        program = [sys.executable, "-m", "closet_devstack.sandbox.stripe", "--port", str(self._port)]
        return Child(program, self.log, env={**os.environ, **self.env()})

    def _is_ready(self, child: Child) -> bool:
        """It knows our key."""
        request = urllib.request.Request(  # noqa: S310 - our own http URL
            f"{self.url}/_sandbox/ready", headers={"Authorization": f"Bearer {self.api_key}"}
        )
        return probes.http_is_ok(request) and child.returncode is None
