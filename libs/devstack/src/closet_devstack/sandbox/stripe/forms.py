"""Stripe's requests: forms whose names say where a value belongs, such as `items[0][price]`."""

import re
from collections.abc import Iterable
from typing import Any

from closet_devstack.sandbox.stripe.errors import invalid

_PART = re.compile(r"[^\[\]]+")


def nested(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The form as nested objects; lists stay objects by their number."""
    form: dict[str, Any] = {}
    for name, value in fields:
        *path, last = _PART.findall(name)
        place = form
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return form


def text(form: dict[str, Any], name: str) -> str:
    """A value that has to be there."""
    value = form.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"Missing required param: {name}.", "parameter_missing")
    return value


def number(form: dict[str, Any], name: str) -> int:
    """A whole number that has to be there."""
    try:
        return int(text(form, name))
    except ValueError:
        raise invalid(f"Invalid integer: {form[name]}", "parameter_invalid_integer") from None
