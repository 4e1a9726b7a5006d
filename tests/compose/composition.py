"""docker-compose.yml as this machine runs it without Docker: the same words, elsewhere.

What is mapped, and nothing else: names of containers and published ports to ports of the loopback addresses, paths in a
container to this machine's. 127.0.0.2 stands for the network between the containers, 127.0.0.1 for a container itself.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from closet_devstack.ports import free_ports

from tests.compose.dockerfile import Dockerfile

NETWORK = "127.0.0.2"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what the file says, and never bound here
PROGRAMS = {"nats": "nats-server", "postgres": "postgres", "s3": "weed"}
"""The images whose program is installed here -> that program."""
_OURS = "closet/"
_HTTP, _ADMIN = 8080, 9464
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class MissingVariable(Exception):
    """The file asks for a variable that is not set."""


class Composition:
    """The file, read with an environment.

    Args:
        folder: where `docker-compose.yml` lies.
        state: where the containers' data goes.
        variables: what the file's `${...}` are taken from.
    """

    def __init__(self, folder: Path, state: Path, variables: Mapping[str, str]) -> None:
        text = _VARIABLE.sub(lambda found: _value(found, variables), (folder / "docker-compose.yml").read_text())
        document = yaml.safe_load(text)
        self._folder, self._state = folder, state
        self._secrets: dict[str, dict[str, str]] = document["secrets"]
        self.services: dict[str, dict[str, Any]] = document["services"]
        self.dockerfile = Dockerfile(folder / "deploy/Dockerfile")
        self.ours = [name for name, one in self.services.items() if one["image"].startswith(_OURS)]
        places = sorted(self._named_places() | {(name, port) for name in self.ours for port in (_HTTP, _ADMIN)})
        self._ports = dict(zip(places, free_ports(len(places), with_grpc=True), strict=True))

    def port(self, service: str, port: int) -> int:
        """Where the container's port is here."""
        return self._ports[service, port]

    def command(self, service: str) -> list[str]:
        """What the container runs: the file's words, else the image's."""
        one = self.services[service]
        entrypoint = one.get("entrypoint") or (self.dockerfile.entrypoint() if service in self.ours else [])
        words = [*entrypoint, *one.get("command", ())]
        if service == "nats":  # as its image does with options
            words = [PROGRAMS[service], *words]
        return [self._here(service, str(word)) for word in words]

    def environment(self, service: str) -> dict[str, str]:
        """The container's whole environment."""
        image = self.dockerfile.environment() if service in self.ours else {}
        told = {**image, **self.services[service].get("environment", {})}
        here = {name: self._here(service, str(value)) for name, value in told.items()}
        if service in self.ours:
            here |= {"CLOSET_HTTP_PORT": str(self.port(service, _HTTP))}
            here |= {"CLOSET_ADMIN_PORT": str(self.port(service, _ADMIN))}
        path = f"{self.programs(service)}:{Path(sys.executable).parent}:{os.defpath}"
        return {**here, "PATH": path, "NO_PROXY": f"{NETWORK},127.0.0.1"}

    def programs(self, service: str) -> Path:
        """The folder of the container's own programs."""
        return self._state / "programs" / service

    def make_program(self, service: str) -> None:
        """Put the image's own program where this container's commands find it."""
        name = self.services[service]["build"]["args"]["SERVICE"]
        self.dockerfile.make_program(name, self.programs(service))

    def write_files(self, service: str) -> None:
        """Put the files that the container is given where its paths lead here, with this machine's words in them."""
        for source, copy in self._files(service).values():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(self._here(service, source.read_text()))

    def place(self, service: str, inside: str) -> Path:
        """Where a path in the container leads here."""
        return self._mounts(service)[inside]

    def health_check(self, service: str) -> list[str]:
        """The container's check; one that listens everywhere hears its own loopback address too."""
        told = self.services[service].get("healthcheck")
        words = told["test"][1:] if told else self.dockerfile.health_check()
        return [str(word).replace("127.0.0.1", NETWORK) for word in words]

    def _named_places(self) -> set[tuple[str, int]]:
        """Every `container:port` that the file names, of those that run here, and those a container has for itself."""
        names = "|".join([*PROGRAMS, *self.ours])
        text = (self._folder / "docker-compose.yml").read_text()
        named = {(name, int(port)) for name, port in re.findall(rf"[/@]({names}):(\d+)", text)}
        sources = ((name, source) for name in PROGRAMS for source, _ in self._files(name).values())
        return named | {
            (name, int(port))
            for name, source in sources
            for port in re.findall(r"127\.0\.0\.1:(\d+)", source.read_text())
        }

    def _here(self, service: str, text: str) -> str:
        """The text with this machine's addresses and paths."""
        for (name, port), here in self._ports.items():
            text = re.sub(rf"(?<=[/@]){name}:{port}\b", f"{NETWORK}:{here}", text)
            if name == service:
                text = text.replace(f"{EVERYWHERE}:{port}", f"{NETWORK}:{here}")
                text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{here}")
        for published, place in self._published().items():
            text = text.replace(f"localhost:{published}", f"{NETWORK}:{self._ports[place]}")
        return self._path(service, text.replace(EVERYWHERE, NETWORK))

    def _published(self) -> dict[str, tuple[str, int]]:
        """Ports of the host -> whose they are."""
        told = [(name, port.split(":")) for name, one in self.services.items() for port in one.get("ports", ())]
        places = {host: (name, int(inner)) for name, (_, host, inner) in told}
        return {host: place for host, place in places.items() if place in self._ports}

    def _path(self, service: str, text: str) -> str:
        """The text with the container's mounted paths as they are here."""
        for inside, here in self._mounts(service).items():
            text = re.sub(rf"(?<![\w/.]){re.escape(inside)}(?![\w-])", str(here), text)
        return text

    def _mounts(self, service: str) -> dict[str, Path]:
        one = self.services[service]
        secrets = {
            f"/run/secrets/{name}": self._folder / self._secrets[name]["file"] for name in one.get("secrets", ())
        }
        volumes = (volume.split(":")[:2] for volume in one.get("volumes", ()))
        data = {inside: self._state / "data" / name for name, inside in volumes if name[0] != "."}
        return {**secrets, **data, **{inside: copy for inside, (_, copy) in self._files(service).items()}}

    def _files(self, service: str) -> dict[str, tuple[Path, Path]]:
        """Path in the container -> the file that is mounted there, and its copy."""
        volumes = (volume.split(":")[:2] for volume in self.services[service].get("volumes", ()))
        mounted = {inside: self._folder / source for source, inside in volumes if source[0] == "."}
        return {inside: (source, self._state / service / Path(inside).name) for inside, source in mounted.items()}


def _value(found: "re.Match[str]", variables: Mapping[str, str]) -> str:
    name, kind, word = found.groups()
    if value := variables.get(name):
        return value
    if kind == "?":
        raise MissingVariable(f"required variable {name} is missing a value: {word}")
    return word or ""
