"""The documents by the tools of those who read them: AsyncAPI's own parser and ajv, strict.

`make install` brings both, by contracts/tools/package-lock.json.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1]
TOOLS = FOLDER / "tools"
REQUESTED = "examples/closet.generation.requested.v1.json"
FAILED = "schemas/closet.job.failed.v1.json"


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def spoil(folder: Path) -> None:
    """One thing wrong for each line of REFUSED."""
    replace(folder / "asyncapi.yaml", "$ref: '#/channels/closet.job.failed.v1'", "$ref: '#/channels/no'")
    replace(folder / "asyncapi.yaml", "  title: Closet events\n", "")
    replace(folder / "asyncapi.yaml", "type: integer", "type: number of credits")
    edit(folder / FAILED, lambda schema: schema.update(colour="red"))
    edit(folder / REQUESTED, lambda event: event.update(time="soon"))
    edit(folder / REQUESTED, lambda event: event["data"]["work"].update(category="hat"))
    edit(folder / REQUESTED, lambda event: event["data"].pop("jobId"))


REFUSED = [
    "asyncapi.yaml: operations.job-orchestrator.send.closet.job.failed.v1.channel.$ref: ",
    "asyncapi.yaml: info: ",
    'must be equal to one of the allowed values: "array", "boolean", "integer"',
    'closet.job.failed.v1.json: strict mode: unknown keyword: "colour"',
    f"{REQUESTED}: /time must match format",
    f"{REQUESTED}: /data/work/category must be equal to one of the allowed values",
    f"{REQUESTED}: /data must have required property 'jobId'",
]


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("wrong")
    shutil.copy(FOLDER / "asyncapi.yaml", copy)
    for kind in ("schemas", "examples"):
        shutil.copytree(FOLDER / kind, copy / kind)
    spoil(copy)
    return copy


@pytest.fixture(scope="module")
def problems(wrong: Path) -> list[str]:
    """What the tools say of the contracts and of the wrong copy, by one start of theirs."""
    assert (TOOLS / "node_modules").is_dir(), "run `make install`"
    check = [Path(sys.executable).parent / "node", TOOLS / "check.mjs", FOLDER, wrong]
    run = subprocess.run(check, capture_output=True, text=True, check=False, timeout=100)  # noqa: S603 - ours
    assert (run.returncode, run.stderr) == (1, "")
    return run.stdout.splitlines()


def test_asyncapi_s_parser_and_ajv_take_documents_schemas_and_examples(problems: list[str]) -> None:
    assert [line for line in problems if line.startswith(f"{FOLDER}/")] == []


@pytest.mark.parametrize("told", REFUSED)
def test_what_is_wrong_is_refused(problems: list[str], wrong: Path, told: str) -> None:
    assert any(told in line for line in problems if line.startswith(f"{wrong}/")), problems
