"""perfect-adapter's rules are pure, by allow-list."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "services/perfect-adapter/src/perfect_adapter"
PURE = {
    "vendor": {
        *("answers", "bodies", "classic_bodies", "clock", "errors", "features", "keys", "leases", "parsing", "sizes"),
    },
    "quota": {"backoff", "budget", "lock_order"},
    "queue": {"assignment", "capacity", "fair_queue"},
    "renders": {"states"},
    "ambiguous": {"decision"},
}
"""Modules without I/O. Subjects import only downwards (an import rule); so do their pure modules."""
MODULES = {f"perfect_adapter.{subject}.{name}" for subject, names in PURE.items() for name in names}


def imported(source: str) -> Iterator[str]:
    """Every module that is imported; a name that is imported from a package may be one of its modules."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            in_packages = {f"perfect_adapter.{subject}" for subject in PURE}
            yield from (f"{module}.{each.name}" for each in node.names) if module in in_packages else (module,)


def impurities(source: str) -> list[str]:
    """Imports that are neither of the standard library, nor of the contracts, nor of a pure module."""
    allowed = sys.stdlib_module_names | {"closet_contracts"}
    return [each for each in imported(source) if each.partition(".")[0] not in allowed and each not in MODULES]


def sources() -> dict[str, str]:
    return {str(path.relative_to(PACKAGE)): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize(("subject", "name"), [(subject, name) for subject in PURE for name in sorted(PURE[subject])])
def test_a_pure_module_imports_the_standard_library_contracts_and_pure_modules(subject: str, name: str) -> None:
    assert impurities((PACKAGE / subject / f"{name}.py").read_text()) == []


@pytest.mark.parametrize(
    "line", ["import yarl", "from closet_chassis import http", "from perfect_adapter.quota import gate"]
)
def test_a_planted_import_is_seen(line: str) -> None:
    assert impurities((PACKAGE / "queue/fair_queue.py").read_text() + f"\n{line}\n") != []


def test_every_module_that_calls_itself_pure_is_held_to_it() -> None:
    claimed = {name for name, text in sources().items() if "Pure." in (ast.get_docstring(ast.parse(text)) or "")}
    assert {f"{subject}/{name}.py" for subject, names in PURE.items() for name in names} == claimed
