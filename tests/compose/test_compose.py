"""What deploy/README.md tells to do, word for word; docker.py stands in for Docker."""

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from closet_devstack import samples
from closet_devstack.environment import inherited
from closet_devstack.folders import throw_away
from closet_devstack.sandbox.perfect.remote import Remote
from closet_devstack.servers.perfect import PerfectServer

from libs.devstack.tests.strangers import DELETES, PATHS, WRITES, asked, greets_in_http2, listening, stranger
from tests.compose.composition import NETWORK, PROGRAMS, Composition
from tests.compose.docker import ENVIRONMENTS, UP
from tests.readmes.blocks import ROOT, blocks_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

START, TENANT = (block for block in blocks_of("deploy/README.md") if block.language == "sh")


@dataclass(frozen=True)
class Up:
    """What `docker compose up` has started."""

    folder: Path
    process: asyncio.subprocess.Process
    env: Mapping[str, str]
    vendor: PerfectServer

    def environment(self, service: str) -> dict[str, str]:
        return dict(json.loads((self.folder / ENVIRONMENTS).read_text())[service])

    async def run(self, script: str, **env: str) -> str:
        """What a script of bash prints; it has to succeed."""
        command = ["bash", "-euo", "pipefail", "-c", script]
        told = {**self.env, **env}
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=self.folder, env=told, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def storage(self) -> psutil.Process:
        """The process of `s3`."""
        (found,) = (one for one in psutil.Process(self.process.pid).children(recursive=True) if one.name() == "weed")
        return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """What a clone holds of it, where PostgreSQL's user can go."""
    with throw_away() as one:
        for name in ("deploy", "docker-compose.yml"):
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, one / name)
        for made in (one / "deploy/compose").glob("*.pem"):
            made.unlink()
        yield one


@pytest.fixture(scope="module")
def vendor(folder: Path) -> Iterator[PerfectServer]:
    with PerfectServer(folder / "perfect", ["--latency-ms", "20"]) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def up(folder: Path, vendor: PerfectServer) -> AsyncIterator[Up]:
    docker = folder / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.compose.docker "$@"\n')
    docker.chmod(0o755)
    told = vendor.env()
    env = {
        **inherited(),
        "PATH": f"{docker.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        **{name: told[name] for name in ("PERFECT_BASE", "PERFECT_RESULT_HOSTS")},
    }
    script = START.filled(
        {
            "PERFECT_API_KEY=...": f"PERFECT_API_KEY={told['PERFECT_API_KEY']}",
            "whsec_...": told["PERFECT_WEBHOOK_SECRET"],
        }
    )
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script,
        cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = (await process.stdout.readline()).decode().strip()
        assert said == UP, "see what it said on standard error"
        yield Up(folder, process, env, vendor)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)  # Ctrl-C
        await process.wait()


async def test_a_tenant_made_as_told_has_its_picture(up: Up, tmp_path: Path) -> None:
    made, granted = map(json.loads, (await up.run(TENANT.filled())).splitlines())
    assert (made["tenantId"], granted["outcome"]) == ("acme", "granted")
    gateway = up.environment("kiosk-gateway")["CLOSET_PUBLIC_URL"]
    adapter = up.environment("perfect-adapter")["CLOSET_HTTP_PORT"]
    await Remote(up.vendor.url).change(webhook_urls=[f"http://{NETWORK}:{adapter}/webhooks/perfect"])
    person, garment = samples.write_samples(tmp_path)
    words = ["closet", "tryon", str(person), str(garment), "--consent", "-o", str(tmp_path / "result"), "--json"]
    shopper = {"CLOSET_URL": gateway, "CLOSET_API_KEY": made["apiKey"], "CLOSET_USER": "shopper-1"}
    job = json.loads(await up.run(shlex.join(words), **shopper, NO_PROXY=NETWORK))
    assert job["status"] == "completed"
    assert job["path"] in (await up.run(f"ls {tmp_path}/*"))
    assert json.loads(await up.run("closet balance --json", **shopper, NO_PROXY=NETWORK))["balance"] == 995


async def test_only_what_has_no_program_here_is_left_out(up: Up, tmp_path: Path) -> None:
    told = {"PERFECT_API_KEY": "k", "PERFECT_WEBHOOK_SECRET": "whsec_s"}
    composition = Composition(up.folder, tmp_path, told)
    run = {path.stem for path in (up.folder / "build/compose/logs").iterdir()}
    assert run == {*PROGRAMS, *composition.ours}
    assert set(composition.services) - run == {"collector", "jaeger", "prometheus", "grafana"}


async def test_from_the_network_nothing_of_the_storage_but_s3_can_be_reached(up: Up) -> None:
    port = int(up.environment("upload-signer")["S3_ENDPOINT"].rpartition(":")[2])
    (grpc,) = {one for address, one in listening(up.storage()) if address != "127.0.0.1"} - {port}
    assert {address for address, _ in listening(up.storage())} == {NETWORK, "127.0.0.1"}
    for method, path in (*(("GET", path) for path in PATHS), *WRITES, *(("DELETE", path) for path in DELETES)):
        status, _ = await asked(port, method, path, host=NETWORK)
        assert status >= 400, f"{method} {path}"
    assert not greets_in_http2(grpc, None, NETWORK)
    assert not greets_in_http2(grpc, stranger(), NETWORK)
    known = stranger()
    known.load_cert_chain(up.folder / "deploy/compose/grpc-cert.pem", up.folder / "deploy/compose/grpc-key.pem")
    assert greets_in_http2(grpc, known, NETWORK), "with the certificate it would: the question is put rightly"
