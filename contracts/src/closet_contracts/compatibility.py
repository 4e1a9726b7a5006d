"""Whether a new schema may replace a released one while both are in use.

A stream keeps old messages for days and replicas are replaced one by one, so both directions must hold: old readers
understand new messages, and new readers understand old messages. What may change: optional fields may be added, choices
of a union that is declared open, and an upper bound may be raised. An older reader refuses what is beyond
its own bound, so the service that lets such values in (the gateway) is rolled out last.
"""

from collections.abc import Iterator
from typing import Any

from closet_contracts.text import STORABLE_PATTERNS

Schema = dict[str, Any]

_SAME = (
    "type",
    "const",
    "enum",
    "pattern",
    "format",
    "minimum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "minItems",
)
_UPPER_BOUNDS = ("maximum", "maxLength", "maxItems")


def breaking_changes(released: Schema, current: Schema) -> list[str]:
    """Each change from `released` to `current` that could break a reader, as a sentence; none means compatible."""
    return list(_compare(released, current, released, current, "$"))


def breaking_api_changes(released: Schema, current: Schema) -> list[str]:
    """The same for two OpenAPI documents: operations, their bodies, their good answers. New problems are no break."""
    found: list[str] = []
    for path, operations in released["paths"].items():
        for method, old in operations.items():
            new = current["paths"].get(path, {}).get(method)
            name = f"{method.upper()} {path}"
            found += [f"{name}: removed"] if new is None else _compare_operations(old, new, released, current, name)
    return found


def _compare_operations(old: Schema, new: Schema, old_root: Schema, new_root: Schema, name: str) -> Iterator[str]:
    before, after = ({_named(one): one for one in side.get("parameters", ())} for side in (old, new))
    for key in before.keys() - after.keys():
        yield f"{name} {key}: removed"
    for key, parameter in after.items():
        if parameter.get("required") and not before.get(key, {}).get("required"):
            yield f"{name} {key}: newly required"
    yield from _compare_contents(old.get("requestBody"), new.get("requestBody"), old_root, new_root, f"{name} body")
    for status, answer in old.get("responses", {}).items():
        if status.startswith("2"):
            answered = new.get("responses", {}).get(status)
            yield from _compare_contents(answer, answered, old_root, new_root, f"{name} {status}")


def _named(parameter: Schema) -> str:
    return f"{parameter['in']} {parameter['name']}"


def _compare_contents(
    old: Schema | None, new: Schema | None, old_root: Schema, new_root: Schema, name: str
) -> Iterator[str]:
    if old is not None and new is None:
        yield f"{name}: removed"
        return
    before, after = ((side or {}).get("content", {}) for side in (old, new))
    for kind in before:
        if kind not in after:
            yield f"{name}: no {kind} any more"
        else:
            schemas = before[kind].get("schema", {}), after[kind].get("schema", {})
            yield from _compare(*schemas, old_root, new_root, name)


def _compare(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    for keyword in _SAME:
        if old.get(keyword) != new.get(keyword) and not _tells_of_text(keyword, old, new):
            yield f"{path}: {keyword} was {old.get(keyword)!r}, is {new.get(keyword)!r}"
    for keyword in _UPPER_BOUNDS:
        if _upper(old, keyword) > _upper(new, keyword):
            yield f"{path}: {keyword} was {old.get(keyword)!r}, is {new.get(keyword)!r}"
    yield from _compare_objects(old, new, old_root, new_root, path)
    if "items" in old or "items" in new:
        yield from _compare(old.get("items", {}), new.get("items", {}), old_root, new_root, f"{path}[]")
    yield from _compare_choices(old, new, old_root, new_root, path)


def _tells_of_text(keyword: str, old: Schema, new: Schema) -> bool:
    """Whether all that is new is a word about characters that could never be handled."""
    return keyword == "pattern" and keyword not in old and new.get(keyword) in STORABLE_PATTERNS


def _compare_objects(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before.keys() - after.keys():
        yield f"{path}.{name}: removed"
    for name in sorted(set(old.get("required", ())) ^ set(new.get("required", ()))):
        yield f"{path}.{name}: {'no longer' if name in old.get('required', ()) else 'newly'} required"
    for name in before.keys() & after.keys():
        yield from _compare(before[name], after[name], old_root, new_root, f"{path}.{name}")


def _compare_choices(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    if _is_open(new):
        yield from _compare_open_union(old, new, old_root, new_root, path)
        return
    if _is_open(old):
        yield f"{path}: the union is open no more"
    for keyword in ("anyOf", "oneOf", "allOf"):
        before, after = ([one for one in side.get(keyword, ()) if not _is_unknown(one)] for side in (old, new))
        if len(before) != len(after):
            yield f"{path}: {keyword} had {len(before)} choices, has {len(after)}"
        for index, (left, right) in enumerate(zip(before, after, strict=False)):
            yield from _compare(left, right, old_root, new_root, f"{path}<{index}>")


def _compare_open_union(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    """Choices may be added where readers take those that they do not know. What was there stays, whatever its place."""
    before, after = (
        {_tag_of(_resolved(choice, root)): choice for choice in side.get("oneOf", ())}
        for side, root in ((old, old_root), (new, new_root))
    )
    for tag, choice in before.items():
        if tag not in after:
            yield f"{path}<{tag}>: removed"
        else:
            yield from _compare(choice, after[tag], old_root, new_root, f"{path}<{tag}>")


def _is_open(union: Schema) -> bool:
    """Whether choices may be added: OpenAPI says so by an extension, a JSON Schema by a choice for what is unknown."""
    return bool(union.get("x-open")) or any(_is_unknown(choice) for choice in union.get("oneOf", ()))


def _is_unknown(choice: Schema) -> bool:
    return any("not" in field for field in choice.get("properties", {}).values())


def _tag_of(choice: Schema) -> str:
    """What a choice is told apart by: its constants."""
    constants = {name: field["const"] for name, field in choice.get("properties", {}).items() if "const" in field}
    return " ".join(f"{value}" for _, value in sorted(constants.items()))


def _upper(node: Schema, keyword: str) -> float:
    return float(node.get(keyword, "inf"))


def _resolved(node: Schema, root: Schema) -> Schema:
    reference = node.get("$ref")
    if reference is None:
        return node
    target: Any = root
    for part in reference.removeprefix("#/").split("/"):
        target = target[part]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}
