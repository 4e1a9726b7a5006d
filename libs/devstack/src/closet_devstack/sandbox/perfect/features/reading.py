"""Reading the bodies of create calls."""

from collections.abc import Collection

from closet_devstack.sandbox.perfect.errors import invalid
from closet_devstack.sandbox.perfect.features.feature import JsonObject


def picture_url(body: JsonObject, name: str) -> str:
    """The URL in `<name>_file_url`.

    Raises:
        Refused: none, or both kinds of reference, or one to an uploaded file, of which there are none.
    """
    url, file_id = body.get(f"{name}_file_url"), body.get(f"{name}_file_id")
    if (url is None) == (file_id is None):
        raise invalid(f"exactly one of {name}_file_url and {name}_file_id is required")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise invalid(f"{name}_file_url must be an http(s) URL")
    return url


def choice(body: JsonObject, name: str, allowed: Collection[str]) -> str:
    """One of the allowed words.

    Raises:
        Refused: it is missing or another.
    """
    word = body.get(name)
    if not isinstance(word, str) or word not in allowed:
        raise invalid(f"{name} must be one of {', '.join(sorted(allowed))}")
    return word


def flag(body: JsonObject, name: str, *, default: bool) -> bool:
    """A boolean.

    Raises:
        Refused: it is something else.
    """
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise invalid(f"{name} must be a boolean")
    return value
