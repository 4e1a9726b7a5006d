"""Media types as clients name them, compared as RFC 9110 says: case and parameters do not matter."""

import re

from closet_contracts.upload import UPLOAD_RULES

PICTURES = UPLOAD_RULES.content_types
# Pictures that cannot be decoded here, but that their owner can easily convert to JPEG.
CONVERTIBLE = frozenset(
    f"image/{name}" for name in ("heic", "heif", "heic-sequence", "heif-sequence", "avif", "avif-sequence")
)
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 RFC 9110's word
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*"'
_PARAMETER = rf"[ \t]*;[ \t]*(?:{_TOKEN}=(?:{_TOKEN}|{_QUOTED}))?"
_MEDIA_TYPE = re.compile(rf"[ \t]*({_TOKEN}/{_TOKEN})(?:{_PARAMETER})*[ \t]*")


def canonical(named: str) -> str | None:
    """Return type and subtype in lower case, by their registered name, without parameters; None if invalid."""
    if not (match := _MEDIA_TYPE.fullmatch(named)):
        return None
    essence = match[1].lower()
    return _ALIASES.get(essence, essence)
