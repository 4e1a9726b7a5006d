"""Stands in for Docker where there is none: `docker compose up` and `docker compose exec SERVICE COMMAND...`.

`up` starts what the compose file of this folder says as processes, in the order that it says, until it is interrupted.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from closet_devstack.otlp import receiving

from tests.compose.composition import PROGRAMS, Composition, MissingVariable
from tests.compose.containers import Containers

STATE = Path("build/compose").absolute()
ENVIRONMENTS = Path("build/compose/environments.json")
UP = "everything is healthy"


def main() -> int:
    parser = argparse.ArgumentParser(prog="docker", description=__doc__)
    compose = parser.add_subparsers(required=True).add_parser("compose")
    commands = compose.add_subparsers(dest="command", required=True)
    commands.add_parser("up").add_argument("--build", action="store_true")
    inside = commands.add_parser("exec")
    inside.add_argument("service")
    inside.add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.command == "exec":
        environment = json.loads(ENVIRONMENTS.read_text())[options.service]
        return subprocess.run(options.words, env=environment, check=False).returncode  # noqa: S603 - what Docker does
    try:
        asyncio.run(_up())
    except MissingVariable as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    return 0


async def _up() -> None:
    told_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    composition = Composition(Path.cwd(), STATE, os.environ)
    async with receiving() as traces:
        containers = Containers(composition, STATE, {"http://collector:4318": traces.endpoint})
        try:
            await asyncio.to_thread(_start, containers)
            sys.stdout.write(f"{UP}\n")
            sys.stdout.flush()
            await told_to_stop.wait()
        finally:
            await asyncio.to_thread(containers.stop)


def _start(containers: Containers) -> None:
    composition = containers.composition
    names = [name for name in composition.services if name in {*PROGRAMS, *composition.ours}]
    STATE.mkdir(parents=True, exist_ok=True)
    ENVIRONMENTS.write_text(json.dumps({name: containers.environment(name) for name in names}))
    started: set[str] = set()
    for name in names:
        _start_in_turn(containers, name, started)
    for name in set(composition.ours) - _ending(composition):
        containers.wait_until_healthy(name)


def _start_in_turn(containers: Containers, service: str, started: set[str]) -> None:
    """Start it after what it depends on, on the terms that the file names."""
    if service in started:
        return
    started.add(service)
    for needed, terms in containers.composition.services[service].get("depends_on", {}).items():
        _start_in_turn(containers, needed, started)
        if terms["condition"] == "service_healthy":
            containers.wait_until_healthy(needed)
    if service in _ending(containers.composition):
        containers.finish(service)
    else:
        containers.start(service)


def _ending(composition: Composition) -> set[str]:
    """Those whose good end others wait for."""
    terms = [one.get("depends_on", {}) for one in composition.services.values()]
    return {
        needed
        for one in terms
        if isinstance(one, dict)
        for needed, term in one.items()
        if term["condition"] == "service_completed_successfully"
    }


if __name__ == "__main__":
    sys.exit(main())
