"""The same servers in containers, where their programs are not installed but a Docker daemon is."""

import secrets
import time
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from closet_devstack.ports import free_port
from closet_devstack.process import DidNotStart
from closet_devstack.servers import nats, postgres, probes, s3, s3_security
from closet_devstack.servers.base import Part

if TYPE_CHECKING:
    from closet_storage.access import Access

_READY_S = 120.0  # an image may have to be pulled


class Container(Part):
    """A container with one port, which it keeps."""

    image: str
    inner_port: int

    def __init__(self) -> None:
        self._port = free_port()
        self._container: Any = None

    @abstractmethod
    def _configure(self, container: Any) -> None:  # noqa: ANN401 - testcontainers is not for those who need none
        """Command, environment and files."""

    @abstractmethod
    def _is_ready(self) -> bool: ...

    def start(self) -> Self:
        if self._container is None:
            self._container = self._created()
        else:
            self._container.get_wrapped_container().start()
        deadline = time.monotonic() + _READY_S
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise DidNotStart(f"{self.name} in {self.image} was not ready after {_READY_S:g} s")
            time.sleep(0.05)
        return self

    def _created(self) -> Any:  # noqa: ANN401 - as above
        from docker.errors import DockerException  # type: ignore[import-untyped]  # noqa: PLC0415 - as above
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - as above

        try:
            container = DockerContainer(self.image).with_bind_ports(self.inner_port, self._port)
            self._configure(container)
            return container.start()
        except DockerException as error:
            ways = (
                f"no URL of {self.name} was given, its program is not installed, and Docker does not start {self.image}"
            )
            raise DidNotStart(f"{ways}: {error}") from error

    def stop(self) -> None:
        if self._container is not None:
            self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        if self._container is not None:
            self._container.get_wrapped_container().kill()

    def discard(self) -> None:
        if self._container is not None:
            self._container.stop()
            self._container = None


class NatsContainer(Container):
    """nats-server; its store lives as long as the container."""

    name, image, inner_port = "nats", "nats:2.15.1-alpine", 4222

    def __init__(self, passwords: Mapping[str, str], users: nats.Users, *, durable: bool = True) -> None:
        super().__init__()
        self.passwords = dict(passwords)
        self._server_name = f"closet-{secrets.token_hex(6)}"
        self._config = nats.configuration(
            "0.0.0.0:4222", self._server_name, Path("/data"), users(self.passwords), durable=durable
        )

    def url(self, user: str = "operator") -> str:
        return f"nats://{quote(user, safe='')}:{quote(self.passwords[user], safe='')}@127.0.0.1:{self._port}"

    def _configure(self, container: Any) -> None:  # noqa: ANN401 - as above
        place = PurePosixPath("/etc/nats/closet.conf")
        container.with_copy_into_container(self._config.encode(), str(place))
        container.with_command(["-c", str(place)])

    def _is_ready(self) -> bool:
        return probes.nats_greets(self._port, self._server_name)


class PostgresContainer(Container):
    """PostgreSQL; its data lives as long as the container."""

    name, image, inner_port = "postgres", "postgres:18.6-bookworm", 5432

    def __init__(self) -> None:
        super().__init__()
        self._password = secrets.token_hex(16)

    def url(self, database: str = "postgres", user: str = postgres.SUPERUSER, password: str | None = None) -> str:
        return postgres.url_of(self._port, database, user, self._password if password is None else password)

    def _configure(self, container: Any) -> None:  # noqa: ANN401 - as above
        container.with_env("POSTGRES_PASSWORD", self._password)
        container.with_command(["-c", f"max_connections={postgres.MAX_CONNECTIONS}"])

    def _is_ready(self) -> bool:
        return probes.postgres_answers(self._port)


class S3Container(Container):
    """SeaweedFS; its objects live as long as the container."""

    name, image, inner_port = "s3", "chrislusf/seaweedfs:4.48", 8333

    def __init__(self) -> None:
        super().__init__()
        names = (s3.ADMIN, "encryption", *s3_security.TOKEN_KEYS, *s3.IDENTITIES)
        self._secrets = {name: secrets.token_hex(20) for name in names}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def access(self, identity: str = s3.ADMIN) -> "Access":
        return s3.access_of(self.endpoint, identity, self._secrets)

    def env(self, identity: str) -> dict[str, str]:
        return s3.env_of(self.endpoint, identity, self._secrets)

    def _configure(self, container: Any) -> None:  # noqa: ANN401 - as above
        config = s3.configuration(s3.IDENTITIES, self._secrets)
        container.with_copy_into_container(config.encode(), "/etc/seaweedfs/s3.json")
        container.with_env("WEED_S3_SSE_KEK_PASSPHRASE", self._secrets["encryption"])
        for name, value in s3_security.token_env(self._secrets).items():
            container.with_env(name, value)
        options = ("-dir=/data", f"-bucket={s3.BUCKET}", "-s3.config=/etc/seaweedfs/s3.json", "-master.telemetry=false")
        container.with_command(["mini", s3_security.DISABLED_HTTP, *options])

    def _is_ready(self) -> bool:
        return probes.s3_takes_objects(self.access())
