"""Reading the bodies of create calls. Every function raises Refused for what the vendor does not take."""

import re
from collections.abc import Collection
from typing import Any, Literal

from closet_devstack.sandbox.perfect.errors import invalid
from closet_devstack.sandbox.perfect.features.feature import JsonObject, Reference

PROMPT_LONGEST, NEGATIVE_LONGEST = 800, 500
_SIZE = re.compile(r"(\d{1,5})\*(\d{1,5})")

Role = Literal["src", "ref", "msk"]


def file_parameters(*roles: Role, many: bool = False) -> frozenset[str]:
    """The names under which a body may refer to the pictures of these roles."""
    plural = "s" if many else ""
    return frozenset(f"{role}_file_{way}{plural}" for role in roles for way in ("url", "id"))


def picture(body: JsonObject, role: Role) -> Reference:
    """The one picture in `<role>_file_url` or `<role>_file_id`."""
    found = optional_picture(body, role)
    if found is None:
        raise invalid(f"exactly one of {role}_file_url and {role}_file_id is required")
    return found


def optional_picture(body: JsonObject, role: Role) -> Reference | None:
    """The same, if there is one."""
    url, file_id = body.get(f"{role}_file_url"), body.get(f"{role}_file_id")
    if url is not None and file_id is not None:
        raise invalid(f"only one of {role}_file_url and {role}_file_id may be given")
    if url is not None:
        return _by_url(role, url)
    return None if file_id is None else _by_id(role, file_id)


def pictures(body: JsonObject, role: Role, at_most: int) -> tuple[Reference, ...]:
    """Those in `<role>_file_urls` or `<role>_file_ids`."""
    urls, ids = body.get(f"{role}_file_urls"), body.get(f"{role}_file_ids")
    if (urls is None) == (ids is None):
        raise invalid(f"exactly one of {role}_file_urls and {role}_file_ids is required")
    items, understood = (urls, _by_url) if urls is not None else (ids, _by_id)
    if not isinstance(items, list) or not 1 <= len(items) <= at_most:
        raise invalid(f"from 1 to {at_most} pictures are needed")
    return tuple(understood(role, item) for item in items)


def text(body: JsonObject, name: str, longest: int, *, required: bool = True) -> str:
    """A text of at least one character; where it may be missing, "" is for that."""
    value = body.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise invalid(f"{name} must be a text of 1 to {longest} characters")
    return value


def choice(body: JsonObject, name: str, allowed: Collection[str], default: str | None = None) -> str:
    """One of the allowed words."""
    word = body.get(name, default)
    if not isinstance(word, str) or word not in allowed:
        raise invalid(f"{name} must be one of {', '.join(sorted(allowed))}")
    return word


def flag(body: JsonObject, name: str, *, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise invalid(f"{name} must be a boolean")
    return value


def size(words: str) -> tuple[int, int]:
    """`W*H`."""
    match = _SIZE.fullmatch(words)
    if match is None:
        raise invalid("size must be W*H")
    return int(match[1]), int(match[2])


def _by_url(role: Role, url: Any) -> Reference:  # noqa: ANN401 - JSON
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise invalid(f"the {role} picture's URL must be http(s)")
    return Reference(role, url=url)


def _by_id(role: Role, file_id: Any) -> Reference:  # noqa: ANN401 - JSON
    if not isinstance(file_id, str) or not file_id:
        raise invalid(f"the {role} picture's file id must be a text")
    return Reference(role, file_id=file_id)
