"""One stack for all commands of the READMEs, and a terminal to give them in."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from closet_devstack import samples
from closet_devstack.environment import inherited
from closet_devstack.stack import Stack, StackOptions
from closet_devstack.tenants import Tenant, make_tenant
from PIL import Image, ImageOps


@dataclass(frozen=True)
class Terminal:
    """A folder with the files that the READMEs name, at a terminal where yes is said to every question."""

    folder: Path

    async def run(self, script: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
        """What a script of bash prints; each of its commands has to succeed."""
        return await asyncio.to_thread(self._run, script, env or {}, cwd or self.folder)

    def _run(self, script: str, env: Mapping[str, str], cwd: Path) -> str:
        keyboard, stdin = pty.openpty()
        os.write(keyboard, b"y\n" * 5)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        try:
            done = subprocess.run(  # noqa: S603 - our documents' words
                ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607
                cwd=cwd, env={**inherited(), **env, "PATH": path}, stdin=stdin, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
        finally:
            os.close(stdin)
            os.close(keyboard)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """Pictures of a person and of clothes, as a shop has them."""
    (tmp_path / "me.jpg").write_bytes(samples.person_jpeg())
    for name in ("shirt.png", "dress.png"):
        (tmp_path / name).write_bytes(samples.garment_png())
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "me.jpg"))
    mask = Image.new("L", upright.size, 0)
    mask.paste(255, (0, 0, upright.width, upright.height // 3))
    mask.save(tmp_path / "background.png")
    (tmp_path / "looks.json").write_text(
        '{"items": [{"type": "tryon", "personKey": "me.jpg", "itemKey": "shirt.png"}]}'
    )
    return Terminal(tmp_path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_stack() -> AsyncIterator[Stack]:
    """With ids and dead letters of its own, which the READMEs name."""
    async with Stack(StackOptions(durable=False, sandbox=["--latency-ms", "20"])) as one:
        await one.start_services()
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(own_stack: Stack) -> Tenant:
    return await make_tenant(own_stack, "demo", 1000)
