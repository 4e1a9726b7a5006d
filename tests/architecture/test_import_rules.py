"""The import rules hold, and break on a planted violation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).parent / "lint-imports"


def lint(*first_on_path: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(folder) for folder in first_on_path)
    return subprocess.run(  # noqa: S603 - our own environment's linter
        [LINT, "--no-cache", "--config", ROOT / "pyproject.toml"],
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_rules_hold() -> None:
    result = lint()
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("package", "module", "line", "rule"),
    [
        ("services/billing-meter/src/billing_meter", "handlers", "import job_orchestrator", "never each other"),
        ("libs/messaging/src/closet_messaging", "transaction", "import billing_meter", "never each other"),
        ("services/kiosk-gateway/src/kiosk_gateway", "app", "import closet_devstack", "never each other"),
        ("libs/client/src/closet_client", "client", "import closet_messaging", "knows nothing of the server"),
        ("services/billing-meter/src/billing_meter", "store", "import billing_meter.handlers", "imports point one way"),
        ("services/billing-meter/src/billing_meter", "utils", "import json", "imports point one way"),
        ("services/billing-meter/src/billing_meter", "handlers", "import nats", "Only messaging speaks NATS"),
        ("services/job-orchestrator/src/job_orchestrator", "domain", "import asyncpg", "A domain is pure"),
        ("services/kiosk-gateway/src/kiosk_gateway", "http", "import aioboto3", "Only storage speaks to S3"),
    ],
)
def test_a_planted_violation_breaks_them(tmp_path: Path, package: str, module: str, line: str, rule: str) -> None:
    planted = tmp_path / Path(package).name
    shutil.copytree(ROOT / package, planted, ignore=shutil.ignore_patterns("__pycache__"))
    target = planted / f"{module}.py"
    if not target.exists() and (planted / module).is_dir():
        target = planted / module / "__init__.py"
    with target.open("a") as file:
        file.write(f"\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode != 0
    broken = [row for row in result.stdout.splitlines() if row.rstrip().endswith("BROKEN")]
    assert any(rule in row for row in broken), result.stdout
