"""A command as its user has it: a process of its own. For tests."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ran:
    """How it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 whatever the command prints
        return json.loads(self.out)


async def run_command(module: str, *arguments: str, **settings: str) -> Ran:
    """Run `python -m module` with none of our settings but `settings`, without a terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLOSET_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env={**kept, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONWARNINGS": "error", **settings},
    )  # fmt: skip  one line for what runs, one for where
    out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), err.decode())
