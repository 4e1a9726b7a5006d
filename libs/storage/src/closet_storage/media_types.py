"""Media types as clients name them, compared as RFC 9110 says: case and parameters do not matter."""

import re

PICTURES = frozenset({"image/jpeg", "image/png", "image/webp"})
# Pictures that cannot be read here, and that whoever has them can easily turn into JPEG.
CONVERTIBLE = frozenset(
    f"image/{name}" for name in ("heic", "heif", "heic-sequence", "heif-sequence", "avif", "avif-sequence")
)
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 RFC 9110's word
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*"'
_PARAMETER = rf"[ \t]*;[ \t]*(?:{_TOKEN}=(?:{_TOKEN}|{_QUOTED}))?"
_MEDIA_TYPE = re.compile(rf"[ \t]*({_TOKEN}/{_TOKEN})(?:{_PARAMETER})*[ \t]*")


def canonical(named: str) -> str | None:
    """Type and subtype in small letters, by their registered name, without parameters; None if it is no media type."""
    if not (match := _MEDIA_TYPE.fullmatch(named)):
        return None
    essence = match[1].lower()
    return _ALIASES.get(essence, essence)
