"""Whether a new schema may replace a released one while both are in use.

A stream keeps old messages for days and replicas are replaced one by one, so both directions must hold: old readers
understand new messages, and new readers understand old messages. What may change: optional fields may be added.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_SAME = (
    "type",
    "const",
    "enum",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
)


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
        if old.get(keyword) != new.get(keyword):
            yield f"{path}: {keyword} was {old.get(keyword)!r}, is {new.get(keyword)!r}"
    yield from _compare_objects(old, new, old_root, new_root, path)
    if "items" in old or "items" in new:
        yield from _compare(old.get("items", {}), new.get("items", {}), old_root, new_root, f"{path}[]")
    yield from _compare_choices(old, new, old_root, new_root, path)


def _compare_objects(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before.keys() - after.keys():
        yield f"{path}.{name}: removed"
    for name in sorted(set(old.get("required", ())) ^ set(new.get("required", ()))):
        yield f"{path}.{name}: {'no longer' if name in old.get('required', ()) else 'newly'} required"
    for name in before.keys() & after.keys():
        yield from _compare(before[name], after[name], old_root, new_root, f"{path}.{name}")


def _compare_choices(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    for keyword in ("anyOf", "oneOf", "allOf"):
        before, after = old.get(keyword, []), new.get(keyword, [])
        if len(before) != len(after):
            yield f"{path}: {keyword} had {len(before)} choices, has {len(after)}"
        for index, (left, right) in enumerate(zip(before, after, strict=False)):
            yield from _compare(left, right, old_root, new_root, f"{path}<{index}>")


def _resolved(node: Schema, root: Schema) -> Schema:
    reference = node.get("$ref")
    if reference is None:
        return node
    target: Any = root
    for part in reference.removeprefix("#/").split("/"):
        target = target[part]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}
