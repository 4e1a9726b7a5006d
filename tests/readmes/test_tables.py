"""Each service's README lists exactly the events, settings and metrics that its code has."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType

import pytest
from closet_chassis.settings import ServiceSettings
from closet_contracts.catalog import EVENTS, subscriptions_of
from closet_contracts.ownership import Service, noun_of, owner_of
from closet_storage.access import StorageSettings
from prometheus_client.metrics import MetricWrapperBase
from pydantic.fields import FieldInfo

from tests.readmes.blocks import ROOT

_QUOTED = re.compile(r"`([^`]*)`")
_EVENT = re.compile(r"(?:closet\.)?([a-z]+\.[a-z_]+(?:/[a-z_]+)*|[a-z]+\.\*)(?:\.v\d+)?")
_BUT = re.compile(r" but ((?:(?:, | and )?`[a-z._]+`)+)")
_METRIC = re.compile(r"[a-z]+(?:_[a-z0-9]+)+(?:\{[a-z_,]+\})?")
_WORDS = re.compile(r"[^`\d]*")
_LABELS = ("consumes", "emits", "measures")


def readme(service: Service) -> str:
    return (ROOT / "services" / service / "README.md").read_text()


def cells(row: str) -> list[str]:
    """Return a table row's cells; a pipe inside code does not end one."""
    return [cell.strip() for cell in re.split(r"\|(?=(?:[^`]*`[^`]*`)*[^`]*$)", row.strip().strip("|"))]


def tables(text: str) -> Iterator[list[list[str]]]:
    """Return each table of a document, as its rows of cells; the second row of each, the line, is left out."""
    for found in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        rows = [cells(row) for row in found.splitlines()]
        yield [rows[0], *rows[2:]]


def listed(text: str, label: str) -> str:
    """Return what a README lists as consumed, emitted or measured, in any form that READMEs have.

    A row `| **consumes** | ... |`; a table `| consumes | ... |`, whose first column counts; or a sentence
    that begins with `**Emits**` and ends before the next bold word or the paragraph's end.
    """
    for header, *rows in tables(text):
        if header[0].strip("*").lower() == label:
            return " ".join(row[0] for row in rows)
        for row in rows:
            if row[0].strip("*").lower() == label:
                return row[1]
    sentence = re.search(rf"\*\*{label}\*\*(.*?)(?=\*\*|\n\n)", text, re.IGNORECASE | re.DOTALL)
    return sentence[1] if sentence else ""


def event_types(text: str) -> set[str]:
    """Return the event types that are named: `job.failed`, `credit.held/denied`, `job.*` but `job.expired`."""
    excluded = {name for names in _BUT.findall(text) for name in _QUOTED.findall(names)}
    names: set[str] = set()
    for quoted in _QUOTED.findall(_BUT.sub("", text)):
        if match := _EVENT.fullmatch(quoted):
            noun, _, facts = match[1].partition(".")
            names |= {model.TYPE for model in EVENTS if noun_of(model.TYPE) == noun} if facts == "*" else set()
            names |= {f"closet.{noun}.{fact}.v1" for fact in facts.split("/") if fact != "*"}
    return names - {f"closet.{name}.v1" for name in excluded}


def consumed(service: Service) -> set[str]:
    return {event for _, events in subscriptions_of(service) for event in events}


def emitted(service: Service) -> set[str]:
    return {model.TYPE for model in EVENTS if owner_of(model.TYPE) is service}


def modules(package: str) -> Iterator[ModuleType]:
    """Import all of a package but its `__main__`, which would run it."""
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not found.name.endswith(".__main__"):
            yield importlib.import_module(found.name)


def metrics_of(package: str) -> set[str]:
    """Return every metric that the package's own modules register, as `name{label,label}`."""
    shared = {
        id(metric) for lib in ("closet_chassis", "closet_messaging", "closet_storage") for metric in found_in(lib)
    }
    return {described(metric) for metric in found_in(package) if id(metric) not in shared}


def found_in(package: str) -> Iterator[MetricWrapperBase]:
    for module in modules(package):
        yield from (value for value in vars(module).values() if isinstance(value, MetricWrapperBase))


def described(metric: MetricWrapperBase) -> str:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return f"{name}{{{','.join(metric._labelnames)}}}" if metric._labelnames else name


def measured(service: Service) -> set[str]:
    return metrics_of(package_of(service))


def package_of(service: Service) -> str:
    return service.replace("-", "_")


def metric_names(text: str) -> set[str]:
    return {quoted for quoted in _QUOTED.findall(text) if _METRIC.fullmatch(quoted)}


CHECKS: Mapping[str, tuple[Callable[[str], set[str]], Callable[[Service], set[str]]]] = {
    "consumes": (event_types, consumed),
    "emits": (event_types, emitted),
    "measures": (metric_names, measured),
}


@pytest.mark.parametrize("label", _LABELS)
@pytest.mark.parametrize("service", Service)
def test_a_service_lists_its_events_and_metrics(service: Service, label: str) -> None:
    read, actual = CHECKS[label]
    shown = read(listed(readme(service), label))
    assert shown == actual(service)


# Settings -------------------------------------------------------------------------------------------------------------


def settings_of(settings: type[ServiceSettings], *bases: type[ServiceSettings]) -> dict[str, FieldInfo]:
    """Return the fields that a class adds to its bases, by their names in the environment."""
    inherited = {name for base in bases for name in base.model_fields}
    return {
        str(field.validation_alias or f"CLOSET_{name.upper()}"): field
        for name, field in settings.model_fields.items()
        if name not in inherited
    }


def settings_rows(text: str) -> Iterator[tuple[str, str]]:
    """Return name and default of each setting; a row may hold several, their defaults separated by commas."""
    for header, *rows in tables(text):
        if header[0] in {"name", "setting"} and header[1] == "default":
            for names, default, *_ in rows:
                known = [name for name in _QUOTED.findall(names) if name.isupper()]
                defaults = default.split(", ") if len(known) > 1 and "," in default else [default] * len(known)
                yield from zip(known, (each.strip(" ,") for each in defaults), strict=True)


def says(shown: str, field: FieldInfo) -> bool:
    """Return whether a table's cell is right about a default; one that is empty may be left out or explained."""
    if field.is_required():
        return shown in {"", "required"}
    default = field.get_default(call_default_factory=True)
    text = shown.strip("`")
    if isinstance(default, bool):
        return text == str(default).lower()
    if isinstance(default, int | float):
        return _number(text) == default
    return text == str(default) if default else text == "{}" or _WORDS.fullmatch(shown) is not None


def _number(text: str) -> float | None:
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return None


def held(text: str, fields: Mapping[str, FieldInfo]) -> list[str]:
    """Return what is wrong with the settings that a document lists."""
    shown: Sequence[tuple[str, str]] = [each for each in settings_rows(text) if not each[0].startswith(_LIBRARIES)]
    names = [name for name, _ in shown]
    return [
        *(f"{name}: listed twice" for name in set(names) if names.count(name) > 1),
        *(f"{name}: not listed" for name in fields.keys() - set(names)),
        *(f"{name}: no such setting" for name in set(names) - fields.keys()),
        *(f"{name}: default is not {text}" for name, text in shown if name in fields and not says(text, fields[name])),
    ]


_LIBRARIES = ("OTEL_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.mark.parametrize("service", Service)
def test_a_service_lists_its_settings(service: Service) -> None:
    settings = importlib.import_module(f"{package_of(service)}.settings").Settings
    assert held(readme(service), settings_of(settings, ServiceSettings, StorageSettings)) == []


def test_the_libs_list_the_settings_that_services_share() -> None:
    chassis = (ROOT / "libs/chassis/README.md").read_text()
    assert held(chassis, settings_of(ServiceSettings)) == []


# What breaks them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("| `CLOSET_MAX_JOB_RETRIES` |", "| `CLOSET_RETRIES` |"), "CLOSET_MAX_JOB_RETRIES: not listed"),
        (("| `CLOSET_MAX_JOB_RETRIES` |", "| `CLOSET_RETRIES` |"), "CLOSET_RETRIES: no such setting"),
        (("| `CLOSET_MAX_JOB_RETRIES` | 3 |", "| `CLOSET_MAX_JOB_RETRIES` | 4 |"), "default is not 4"),
    ],
)
def test_a_row_that_is_missing_too_many_or_wrong_is_found(change: tuple[str, str], problem: str) -> None:
    settings = importlib.import_module("job_orchestrator.settings").Settings
    text = "| name | default | |\n|---|---|---|\n| `CLOSET_MAX_JOB_RETRIES` | 3 | attempts |\n"
    fields = settings_of(settings, ServiceSettings)
    assert held(text, fields) == []
    assert any(problem in each for each in held(text.replace(*change), fields))


@pytest.mark.parametrize(
    "text",
    [
        "| | |\n|---|---|\n| **emits** | `job.failed`, one of `job.completed` and `job.expired` |\n",
        "| emits | when |\n|---|---|\n| `job.failed` | `job.accepted` |\n| `job.completed/expired` | |\n",
        "**Emits** `closet.job.failed.v1`, `job.completed` and\n`job.expired`. **Asks** `job.accepted`.\n\n",
        "**Emits** `job.*` but `job.accepted`, `job.dispatched`, `job.stop_requested` and `job.cancelled`.\n\n",
    ],
)
def test_every_form_of_a_list_is_read(text: str) -> None:
    assert event_types(listed(text, "emits")) == {
        f"closet.job.{fact}.v1" for fact in ("failed", "completed", "expired")
    }


def test_metrics_are_found_with_their_labels() -> None:
    assert "closet_uploads_checked_total{outcome}" in measured(Service.UPLOAD_SIGNER)
    assert metric_names("`closet_a_total{b,c}`: `ready` or `closet_d`") == {"closet_a_total{b,c}", "closet_d"}
