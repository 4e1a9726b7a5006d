"""Values in the vendor's JSON, read leniently: what is not of the expected type is left out. Pure."""

import json
from collections.abc import Mapping
from typing import Any


def document(raw: bytes) -> Mapping[str, Any]:
    """Return the JSON object in `raw`, of any content type; empty if it is none.

    Every number stays text: ids may be too large for a number elsewhere.
    """
    try:
        found = json.loads(raw, parse_int=str, parse_float=str)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def members(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object of that name, empty if there is none."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def rows(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in the list of that name."""
    value = parent.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """Return the text, or None if it is none or empty."""
    return value if isinstance(value, str) and value else None


def number(value: object) -> float | None:
    """Return the finite number that came as text, or None."""
    try:
        found = float(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and abs(found) < float("inf") else None
