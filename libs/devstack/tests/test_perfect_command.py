"""`closet sandbox perfect` in a terminal."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from closet_devstack.ports import free_port

COMMAND = (sys.executable, "-m", "closet_client", "sandbox", "perfect")


def environment(**secrets: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PERFECT_")}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error", "NO_COLOR": "1", **secrets}


def started(options: Sequence[str], **secrets: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(**secrets)
    )


def welcome(process: subprocess.Popen[str]) -> str:
    """What it prints until it is ready."""
    assert process.stdout is not None
    lines = []
    while line := process.stdout.readline():
        lines.append(line)
        if "Ctrl-C" in line:
            break
    return "".join(lines)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def running(port: int) -> Iterator[subprocess.Popen[str]]:
    """Started as somebody would who knows nothing yet."""
    with started(["--port", str(port), "--speed", "2"]) as process:
        yield process
        process.kill()


def test_it_says_what_its_customer_needs_and_ends_with_ctrl_c(running: subprocess.Popen[str], port: int) -> None:
    text = welcome(running)
    exports = dict(re.findall(r"export (\w+)=(\S+)", text))
    assert exports["PERFECT_BASE"] == f"http://127.0.0.1:{port}"
    assert exports["PERFECT_WEBHOOK_SECRET"].startswith("whsec_")
    request = urllib.request.Request(  # noqa: S310 - our own http URL
        f"{exports['PERFECT_BASE']}/s2s/v1.0/client/credit",
        headers={"Authorization": f"Bearer {exports['PERFECT_API_KEY']}"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 - see above
        assert response.status == 200
    assert "/_sandbox/faults" in text
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=10)
    assert (running.returncode, rest) == (0, "")


def test_secrets_come_from_the_environment_and_options_win_over_the_scenario(tmp_path: Path, port: int) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("settings: {apiKeys: [theirs], latencyMs: 7, quotaCalls: 3}")
    options = ["--port", str(port), "--scenario", str(scenario), "--quota-calls", "9"]
    with started(options, PERFECT_API_KEY="ours", PERFECT_WEBHOOK_SECRET="whsec_b3Vycw==") as process:
        text = welcome(process)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_sandbox/settings") as response:
            settings = response.read().decode()
        process.terminate()
    assert "PERFECT_API_KEY=ours" in text
    assert "PERFECT_WEBHOOK_SECRET=whsec_b3Vycw==" in text
    assert '"apiKeys":["ours","theirs"]' in settings
    assert '"latencyMs":7,' in settings
    assert '"quotaCalls":9,' in settings


@pytest.mark.parametrize("options", [["--speed", "-1"], ["--scenario", "absent.yaml"], ["--port", "0"]])
def test_wrong_use_is_told_in_a_sentence(options: list[str]) -> None:
    with started(options) as process:
        text, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "Traceback" not in text


def test_a_taken_port_is_told_in_a_sentence(running: subprocess.Popen[str], port: int) -> None:
    welcome(running)
    with started(["--port", str(port)]) as process:
        text, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "address already in use" in " ".join(text.split())
    assert "Traceback" not in text
