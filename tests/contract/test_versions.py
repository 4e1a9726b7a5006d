"""Which other Pythons the tests are run on: those that are supported and really run."""

import subprocess
from pathlib import Path

import pytest

FIND = Path(__file__).parents[2] / ".ci/versions"
STAND_IN = '[[ "${PYENV_VERSION:-}" == *3.13.0* ]] && echo /opt/python3.13'
SCRIPTS = {
    "own": "echo 3.11",
    "python3.11": "echo /opt/python3.11",
    "python3.12": "echo /opt/python3.12",
    "python3.13": STAND_IN,
    "python3.10": "echo /opt/python3.10",
}
PYENV = r"printf '3.9.1\n3.13.0\n'"


@pytest.mark.parametrize(
    ("pyenv", "found"),
    [("", ["/opt/python3.12"]), (PYENV, ["/opt/python3.12", "/opt/python3.13"])],
    ids=["none", "pyenv"],
)
def test_every_supported_python_that_runs_is_found_but_the_own(tmp_path: Path, pyenv: str, found: list[str]) -> None:
    for name, script in {**SCRIPTS, **({"pyenv": pyenv} if pyenv else {})}.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    told = subprocess.run(  # noqa: S603 - ours
        [FIND, tmp_path / "own"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == found
