"""The README's tables are what the code says: events, metrics, settings and folders."""

import re
from collections.abc import Iterable
from pathlib import Path

import perfect_adapter
from closet_contracts.catalog import EVENTS
from closet_contracts.envelope import EventData
from closet_contracts.ownership import Service, owner_of
from perfect_adapter.settings import Settings

PACKAGE = Path(perfect_adapter.__file__).parent
README = (Path(__file__).parents[2] / "README.md").read_text()


def row(name: str) -> set[str]:
    """The words in code of a row of the first table."""
    line = next(line for line in README.splitlines() if line.startswith(f"| **{name}** |"))
    return {word.partition("{")[0] for word in re.findall(r"`([^`]+)`", line)}


def events(types: Iterable[type[EventData]]) -> set[str]:
    """The events as READMEs name them."""
    return {event.TYPE.removeprefix("closet.").rpartition(".v")[0] for event in types}


def test_events() -> None:
    consumed = [event for event, consumers in EVENTS.items() if Service.PERFECT_ADAPTER in consumers]
    emitted = [event for event in EVENTS if owner_of(event.TYPE) is Service.PERFECT_ADAPTER]
    assert (row("consumes"), row("emits")) == (events(consumed), events(emitted))


def test_metrics() -> None:
    sources = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert row("measures") == set(re.findall(r'(?:Counter|Gauge|Metric)\(\s*"([a-z_]+)"', sources))


def test_settings() -> None:
    own = {name: field for name, field in Settings.model_fields.items() if name in Settings.__annotations__}
    names = {str(field.validation_alias or f"CLOSET_{name.upper()}") for name, field in own.items()}
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)} == names


def test_folders() -> None:
    layout = README.partition("## Layout")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in layout.splitlines() if line.startswith("| `")]
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert {name for cell in cells for name in re.findall(r"`(\w+)/`", cell)} == folders
