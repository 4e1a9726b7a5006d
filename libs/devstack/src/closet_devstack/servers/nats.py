"""A real nats-server with JetStream."""

import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from closet_devstack.ports import free_port
from closet_devstack.process import Child, installed
from closet_devstack.servers import probes
from closet_devstack.servers.base import Given, Server

Users = Callable[[Mapping[str, str]], str]
"""Passwords by user -> the block of accounts and users in the server's configuration."""


def configuration(listen: str, name: str, store: Path, users: str, *, durable: bool) -> str:
    """The server's configuration file."""
    sync = "always" if durable else "2m"
    return f"""listen: "{listen}"
server_name: {name}
jetstream {{ store_dir: {json.dumps(str(store))}, sync_interval: {sync} }}
{users}
"""


class NatsServer(Server):
    """NATS on a free port, its store in `folder`.

    Args:
        folder: configuration, store and log.
        passwords: user -> password.
        users: makes the block of accounts and users.
        durable: flush every message to disk before it is acknowledged.
    """

    name = "nats"

    def __init__(self, folder: Path, passwords: Mapping[str, str], users: Users, *, durable: bool = True) -> None:
        super().__init__(folder)
        self.passwords = dict(passwords)
        self._users = users
        self._durable = durable
        self._port = 0
        self._server_name = f"closet-{secrets.token_hex(6)}"

    def url(self, user: str = "operator") -> str:
        return f"nats://{quote(user, safe='')}:{quote(self.passwords[user], safe='')}@127.0.0.1:{self._port}"

    def _choose_ports(self) -> None:
        self._port = free_port()

    def _launch(self) -> Child:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        config.touch(mode=0o600)
        listen, users = f"127.0.0.1:{self._port}", self._users(self.passwords)
        store = self.folder / "store"
        config.write_text(configuration(listen, self._server_name, store, users, durable=self._durable))
        return Child([installed("nats-server"), "-c", config], self.log)

    def _is_ready(self, child: Child) -> bool:
        return probes.nats_greets(self._port, self._server_name) and child.returncode is None


class GivenNats(Given):
    """A NATS that runs already; its one URL serves everyone, and must allow everything."""

    name = "nats"

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, user: str = "operator") -> str:  # noqa: ARG002 - the same for all
        return self._url
