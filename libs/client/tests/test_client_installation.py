"""The SDK alone, in an environment where nothing else of ours is installed."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MOST = 27
_LIST = "from importlib.metadata import distributions; print(*sorted(d.name.lower() for d in distributions()))"
_IMPORT = "import sys, closet_client, closet_client.cli; print(*sorted(sys.modules))"


async def run(*command: str | Path) -> str:
    done = await asyncio.to_thread(
        subprocess.run, [*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(300)
async def test_the_sdk_brings_no_part_of_the_server(tmp_path: Path) -> None:
    wheels, python = tmp_path / "wheels", tmp_path / "env/bin/python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    await run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, "./contracts", "./libs/client")
    await run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env")
    # The versions of the lock file; its hashes are for what is installed from it alone.
    pins = re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    (tmp_path / "constraints.txt").write_text("\n".join(pins))
    constraints: list[str | Path] = ["-c", tmp_path / "constraints.txt"]
    await run(*pip, "--python", python, "install", *constraints, *sorted(wheels.glob("*.whl")))

    installed = (await run(python, "-c", _LIST)).split()
    assert {"closet-client", "closet-contracts"} == {name for name in installed if name.startswith("closet-")}
    assert len(installed) <= MOST, installed
    loaded = set((await run(python, "-c", _IMPORT)).split())
    assert "closet_client.client" in loaded
    assert not loaded & {"nats", "asyncpg", "closet_messaging", "closet_chassis"}
    assert "closet" in await run(python.with_name("closet"), "--help")
