"""Commands that other packages bring."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from closet_client.cli import plugins
from typer.testing import CliRunner

PACKAGE = """
import typer

def register(app: typer.Typer) -> None:
    app.command("greet")(lambda: typer.echo("hello"))
    app.command("leave")(lambda: typer.echo("goodbye"))
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """A command for which plug-ins are installed: a good one between two that cannot be loaded."""
    (tmp_path / "brings_commands.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    values = ["is_not_installed:register", "brings_commands:register", "brings_commands:absent"]
    points = [EntryPoint(f"plugin-{index}", value, plugins.GROUP) for index, value in enumerate(values)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == "closet.commands" else [])
    return typer.Typer()


def test_a_package_brings_commands(app: typer.Typer) -> None:
    plugins.register(app)
    outcome = CliRunner().invoke(app, ["greet"])
    assert (outcome.exit_code, outcome.stdout) == (0, "hello\n")


def test_one_that_cannot_be_loaded_is_told_and_costs_nobody_the_others(
    app: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    plugins.register(app)
    told = capsys.readouterr().err
    assert "plugin-0: No module named 'is_not_installed'" in told
    assert "plugin-2" in told
    assert CliRunner().invoke(app, ["leave"]).exit_code == 0
