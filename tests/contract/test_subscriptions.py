"""Each service handles exactly what the catalogue says it consumes, and emits only what it owns."""

import ast
import importlib
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from closet_contracts.catalog import EVENTS
from closet_contracts.ownership import Service, owner_of

ROOT = Path(__file__).parents[2]
BY_NAME = {model.__name__: model for model in EVENTS}


def table(service: Service) -> set[type]:
    module = importlib.import_module(f"{service.replace('-', '_')}.subscriptions")
    # What it is given is used only when an event comes.
    wanted = module.subscriptions.__code__.co_argcount
    return set(module.subscriptions(*[MagicMock()] * wanted))


@pytest.mark.parametrize("service", Service)
def test_a_service_handles_what_the_catalogue_says(service: Service) -> None:
    assert table(service) == {model for model, readers in EVENTS.items() if service in readers}


@pytest.mark.parametrize("service", Service)
def test_a_service_emits_only_its_own_facts(service: Service) -> None:
    """Read from its source: every event that it constructs."""
    package = ROOT / "services" / service / "src" / service.replace("-", "_")
    made = {
        node.func.id
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BY_NAME
    }
    assert made, "every service states facts"
    assert {owner_of(BY_NAME[name].TYPE) for name in made} == {service}
