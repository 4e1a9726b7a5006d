"""What deploy/Dockerfile makes of a service: its environment, its `service` program, its health check."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

_PROGRAMS = "/usr/local/bin"


class Dockerfile:
    """The last stage's instructions."""

    def __init__(self, file: Path) -> None:
        text = re.sub(r"\\\n\s*", "", "\n".join(line for line in file.read_text().splitlines() if line[:1] != "#"))
        last = text.rpartition("\nFROM ")[2]
        self._lines = [line.partition(" ")[::2] for line in last.splitlines()]

    def environment(self) -> dict[str, str]:
        """What ENV sets; the way to the programs is each machine's own."""
        pairs = (word.partition("=")[::2] for line in self._of("ENV") for word in shlex.split(line))
        return {name: value for name, value in pairs if name != "PATH"}

    def entrypoint(self) -> list[str]:
        return _words(next(self._of("ENTRYPOINT")))

    def health_check(self) -> list[str]:
        return _words(next(self._of("HEALTHCHECK")).partition("CMD ")[2])

    def make_program(self, service: str, folder: Path) -> None:
        """Write the `service` program into the folder, by the Dockerfile's own commands."""
        folder.mkdir(parents=True, exist_ok=True)
        (making,) = (line for line in self._of("RUN") if _PROGRAMS in line)
        script = making[making.index("module=") :].replace(_PROGRAMS, str(folder))
        subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", script], env={"SERVICE": service}, check=True)  # noqa: S603 - our file's words

    def _of(self, instruction: str) -> Iterator[str]:
        return (words for name, words in self._lines if name == instruction)


def _words(array: str) -> list[str]:
    return [str(word) for word in json.loads(array)]
