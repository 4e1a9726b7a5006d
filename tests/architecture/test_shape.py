"""Sizes, cycles, names, walls, and words that do not come back: each rule finds a planted violation."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.architecture.retired_words import RETIRED

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "contracts/src", *sorted(ROOT.glob("libs/*/src")), *sorted(ROOT.glob("services/*/src"))]
MODULE_LINES, FUNCTION_LINES = 300, 60
_HTTP = {"aiohttp", "httpx", "requests", "urllib3"}

Sources = Mapping[str, str]
"""Module (dotted) -> its text."""


def sources() -> Sources:
    """All production code."""
    return {
        ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): file.read_text()
        for folder in SOURCES
        for file in folder.rglob("*.py")
    }


def too_long(code: Sources) -> Iterator[str]:
    """Modules and functions beyond their limit."""
    for module, text in code.items():
        if (lines := text.count("\n")) > MODULE_LINES:
            yield f"{module}: {lines} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LINES:
                    yield f"{module}.{node.name}: {length} lines"


def _imported(module: str, text: str, code: Sources) -> Iterator[str]:
    """Modules of ours that are imported when the module is, not those that a function imports later."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in code)
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name for name in submodules if name in code]
            yield from found
            if len(found) < len(submodules) and node.module in code and node.module != module:
                yield node.module


def cycles(code: Sources) -> list[list[str]]:
    """Circles of modules that import each other."""
    graph = {module: set(_imported(module, text, code)) for module, text in code.items()}
    finished: set[str] = set()
    found: list[list[str]] = []

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in finished:
            for other in sorted(graph[module]):
                visit(other, [*path, module])
            finished.add(module)

    for module in sorted(graph):
        visit(module, [])
    return found


def classes_named_twice(code: Sources) -> Iterator[str]:
    """Classes of one service or library that share a name; private ones and a service's settings aside."""
    homes = defaultdict[tuple[str, str], list[str]](list)
    for module, text in code.items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[_product(module), node.name].append(module)
    yield from (f"{name}: {', '.join(modules)}" for (_, name), modules in homes.items() if len(modules) > 1)


def _product(module: str) -> str:
    """The service or library; the sandboxes are programs of their own."""
    return ".".join(module.split(".")[: 3 if module.startswith("closet_devstack.sandbox.") else 1])


def retired_words(texts: Mapping[str, str]) -> Iterator[str]:
    """Places where a retired word stands, as `git grep -wiE` would find it."""
    word = re.compile(rf"\b(?:{'|'.join(RETIRED)})\b", re.IGNORECASE)
    for place, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            yield from (f"{place}:{number}: {match[0]}" for match in word.finditer(line))


def impure_domains(code: Sources) -> Iterator[str]:
    """Imports of a service's domain beyond the standard library, its own domain and the contracts."""
    for module, text in code.items():
        service, _, rest = module.partition(".")
        if rest.partition(".")[0] != "domain":
            continue
        for name in _all_imports(text):
            top = name.partition(".")[0]
            is_own = name == f"{service}.domain" or name.startswith(f"{service}.domain.")
            if not (top in sys.stdlib_module_names or top == "closet_contracts" or is_own):
                yield f"{module} imports {name}"


def sdks_outside_adapters(code: Sources) -> Iterator[str]:
    """Imports of a vendor's SDK, or of an HTTP client where events and rows are handled."""
    for module, text in code.items():
        layer = module.split(".")[1] if "." in module else ""
        for name in _all_imports(text):
            top = name.partition(".")[0]
            if (top == "stripe" and not module.startswith("billing_meter.adapters")) or (
                top in _HTTP and layer in {"handlers", "store", "domain"}
            ):
                yield f"{module} imports {name}"


def _all_imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def strangers_meet() -> Mapping[str, str]:
    """What people outside the code read: descriptions of APIs, help, READMEs and runbooks."""
    pages = [
        ROOT / "contracts/openapi.yaml",
        ROOT / "contracts/asyncapi.yaml",
        *ROOT.glob("*.md"),
        *ROOT.rglob("docs/**/*.md"),
    ]
    pages += [*ROOT.glob("*/README.md"), *ROOT.glob("*/*/README.md")]
    return {str(page.relative_to(ROOT)): page.read_text() for page in pages if ".venv" not in page.parts}


def test_modules_and_functions_are_short() -> None:
    assert list(too_long(sources())) == []


def test_no_modules_import_each_other() -> None:
    assert cycles(sources()) == []


def test_no_class_name_means_two_things_in_one_service() -> None:
    assert list(classes_named_twice(sources())) == []


def test_domains_are_pure() -> None:
    assert list(impure_domains(sources())) == []


def test_only_adapters_know_a_vendors_sdk_or_an_http_client() -> None:
    assert list(sdks_outside_adapters(sources())) == []


def test_retired_words_do_not_come_back() -> None:
    assert list(retired_words({**sources(), **strangers_meet()})) == []


@pytest.mark.parametrize(
    ("rule", "planted", "found"),
    [
        (too_long, {"a.b": "x = 1\n" * (MODULE_LINES + 1)}, "a.b: 301 lines"),
        (too_long, {"a.b": "def f():\n" + "    x = 1\n" * FUNCTION_LINES}, "a.b.f: 61 lines"),
        (classes_named_twice, {"a.b": "class Job: ...", "a.c": "class Job: ..."}, "Job: a.b, a.c"),
        (impure_domains, {"a.domain.b": "import requests"}, "a.domain.b imports requests"),
        (impure_domains, {"a.domain": "def f():\n    from a.store import c"}, "a.domain imports a.store"),
        (sdks_outside_adapters, {"billing_meter.rpc": "import stripe"}, "billing_meter.rpc imports stripe"),
        (sdks_outside_adapters, {"a.handlers.b": "import aiohttp"}, "a.handlers.b imports aiohttp"),
        (retired_words, {"a.b": "the_desk = Desk()"}, "a.b:1: Desk"),
    ],
)
def test_a_planted_violation_is_found(
    rule: Callable[[Mapping[str, str]], Iterator[str]], planted: Mapping[str, str], found: str
) -> None:
    assert list(rule(planted)) == [found]


def test_a_planted_cycle_is_found() -> None:
    planted = {"a": "", "a.b": "from a import c", "a.c": "from a.d import x", "a.d": "import a.b"}
    assert cycles(planted) == [["a.b", "a.c", "a.d", "a.b"]]
