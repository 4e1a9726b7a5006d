"""A real S3 server: SeaweedFS in its one-process form."""

import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from errno import ECONNREFUSED
from pathlib import Path
from socket import AF_UNIX, socket
from typing import TYPE_CHECKING

from closet_devstack.ports import GRPC_OFFSET, free_ports
from closet_devstack.process import Child, installed
from closet_devstack.servers import probes
from closet_devstack.servers.base import Given, Server
from closet_devstack.servers.s3_security import DISABLED_HTTP, TOKEN_KEYS, certificate_files, grpc_env, token_env

if TYPE_CHECKING:
    from closet_storage.access import Access

BUCKET = "closet-media"
REGION = "us-east-1"
ADMIN = "admin"
UPLOADS, INPUTS, RESULTS = (f"tenant/*/{kind}/*" for kind in ("uploads", "inputs", "results"))

IDENTITIES: dict[str, tuple[str, ...]] = {
    "upload-signer": (f"Write:{UPLOADS}", f"Read:{UPLOADS}", f"Write:{INPUTS}", f"Read:{INPUTS}", f"Read:{RESULTS}"),
    "perfect-adapter": (f"Write:{RESULTS}", f"Read:{RESULTS}", f"Read:{INPUTS}"),
}
"""Identity -> actions on keys within the bucket. `Write` includes deleting."""

_PARTS = ("master", "volume", "filer", "s3", "admin")
_YOUNG_S = 60.0
_SOCKETS = Path("/tmp")  # noqa: S108 - SeaweedFS has no other place for them


def configuration(identities: Mapping[str, Sequence[str]], secret_keys: Mapping[str, str]) -> str:
    """The server's configuration file: an admin who may do everything, and the others with their actions."""
    actions = {ADMIN: ["Admin"]} | {name: [_within_bucket(one) for one in may] for name, may in identities.items()}
    configured = [
        {
            "name": name,
            "credentials": [{"accessKey": f"closet-{name}", "secretKey": secret_keys[name]}],
            "actions": may,
        }
        for name, may in actions.items()
    ]
    return json.dumps({"identities": configured})


def access_of(endpoint: str, identity: str, secret_keys: Mapping[str, str]) -> "Access":
    """How that identity reaches the bucket."""
    from closet_storage.access import Access  # noqa: PLC0415 - whoever only starts servers does not load it

    return Access(endpoint, REGION, BUCKET, f"closet-{identity}", secret_keys[identity])


def env_of(endpoint: str, identity: str, secret_keys: Mapping[str, str]) -> dict[str, str]:
    """The S3_* settings of a service that is this identity."""
    return {
        "S3_ENDPOINT": endpoint,
        "S3_PUBLIC_ENDPOINT": endpoint,
        "S3_REGION": REGION,
        "S3_BUCKET": BUCKET,
        "S3_ACCESS_KEY_ID": f"closet-{identity}",
        "S3_SECRET_ACCESS_KEY": secret_keys[identity],
        "S3_SSE": "AES256",
    }


class S3Server(Server):
    """SeaweedFS on free ports, with one bucket and an identity per user of it.

    Args:
        folder: data, keys, configuration and log.
        identities: name -> actions; an identity `admin` that may do everything comes with them.
    """

    name = "s3"
    grace_s = 5.0

    def __init__(self, folder: Path, identities: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(folder)
        self._identities = IDENTITIES if identities is None else identities
        self._ports: dict[str, int] = {}
        self._secrets: dict[str, str] = {}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3']}"

    def access(self, identity: str = ADMIN) -> "Access":
        """How that identity reaches the bucket."""
        return access_of(self.endpoint, identity, self._secrets)

    def env(self, identity: str) -> dict[str, str]:
        """The S3_* settings of a service that is this identity."""
        return env_of(self.endpoint, identity, self._secrets)

    def _choose_ports(self) -> None:
        self._remove_sockets()  # of a start that lost the race for a port
        _sweep_sockets()
        self._ports = dict(zip(_PARTS, free_ports(len(_PARTS), with_grpc=True), strict=True))

    def _launch(self) -> Child:
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / "mini.options").unlink(missing_ok=True)  # its memory of former ports
        self._secrets = _secrets(self.folder / "secrets.json", [ADMIN, "encryption", *TOKEN_KEYS, *self._identities])
        config = self.folder / "s3.json"
        config.touch(mode=0o600)
        config.write_text(configuration(self._identities, self._secrets))
        options = {
            "dir": data, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "bucket": BUCKET,
            "s3.config": config, "s3.iam": "false", "s3.port.iceberg": 0, "s3.port.lance": 0,
            "admin.ui": "false", "webdav": "false", "master.telemetry": "false", "volume.preStopSeconds": 0,
            **{f"{part}.port": port for part, port in self._ports.items()},
        }  # fmt: skip
        return Child(
            [
                installed("weed"), "-logtostderr=true", "mini", DISABLED_HTTP,
                *(f"-{name}={value}" for name, value in options.items()),
            ],
            self.log,
            env={
                "PATH": os.defpath,
                "HOME": str(self.folder),
                # Without it a request for encryption at rest is answered with 500.
                "WEED_S3_SSE_KEK_PASSPHRASE": self._secrets["encryption"],
                **token_env(self._secrets),
                **grpc_env(*certificate_files(self.folder)),
            },
        )  # fmt: skip

    def _is_ready(self, child: Child) -> bool:
        return probes.s3_takes_objects(self.access()) and child.returncode is None

    def stop(self) -> None:
        super().stop()
        self._remove_sockets()

    def kill(self) -> None:
        super().kill()
        self._remove_sockets()

    def _remove_sockets(self) -> None:
        remove_sockets(self._ports)


def remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove what a killed server of these ports (by its parts) has left in /tmp."""
    for part, port in ports.items():
        for name in (f"seaweedfs-{part}-{port}.sock", f"seaweedfs-{part}-grpc-{port + GRPC_OFFSET}.sock"):
            (_SOCKETS / name).unlink(missing_ok=True)


def _sweep_sockets() -> None:
    """Remove those that killed servers left: old, and nobody listens on them."""
    for path in _SOCKETS.glob("seaweedfs-*.sock"):
        with suppress(OSError), socket(AF_UNIX) as probe:  # another user's, or another process was faster
            if time.time() - path.stat().st_mtime > _YOUNG_S and probe.connect_ex(str(path)) == ECONNREFUSED:
                path.unlink()


class GivenS3(Given):
    """An S3 that runs already; its one identity serves everyone."""

    name = "s3"

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._env = {name: value for name, value in settings.items() if name.startswith("S3_")}

    @property
    def endpoint(self) -> str:
        return self._env["S3_ENDPOINT"]

    def access(self, identity: str = ADMIN) -> "Access":  # noqa: ARG002 - the same for all
        from closet_storage.access import Access  # noqa: PLC0415 - as above

        key, secret = self._env["S3_ACCESS_KEY_ID"], self._env["S3_SECRET_ACCESS_KEY"]
        path_style = self._env.get("S3_PATH_STYLE", "true").lower() == "true"
        return Access(
            self.endpoint,
            self._env.get("S3_REGION", REGION),
            self._env.get("S3_BUCKET", BUCKET),
            key,
            secret,
            path_style,
        )

    def env(self, identity: str) -> dict[str, str]:  # noqa: ARG002 - the same for all
        return dict(self._env)


def _within_bucket(action: str) -> str:
    verb, _, keys = action.partition(":")
    return f"{verb}:{BUCKET}/{keys}"


def _secrets(file: Path, names: Sequence[str]) -> dict[str, str]:
    """Kept beside the data: a second start must read what the first one encrypted."""
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    for name in names:
        known.setdefault(name, secrets.token_hex(20))
    file.touch(mode=0o600)
    file.write_text(json.dumps(known))
    return known
