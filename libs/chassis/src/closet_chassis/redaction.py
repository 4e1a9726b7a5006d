"""What must not reach a log: personal data, secrets, and whatever makes a URL a signed one."""

import re
from math import isfinite
from typing import Any

REDACTED = "[redacted]"
MAX_DEPTH = 6
MAX_TEXT = 16_000  # characters; a longer text is cut

# Compared without case, "_" and "-"; a key that merely ends so counts too (`device_token`, `x-api-key`).
SECRET_ENDINGS = (
    "apikey",
    "authorization",
    "cookie",
    "credentials",
    "password",
    "passwd",
    "privatekey",
    "prompt",
    "secret",
    "secretkey",
    "signature",
    "token",
    "email",
    "phone",
    "filename",
    "firstname",
    "lastname",
    "fullname",
    "ipaddress",
    "remote",
    "accesskeyid",
    "databaseurl",
    "natsurl",
)

_SUBSTITUTIONS = (
    # user:password@ and the query of a URL
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,15}://)[^/\s@'\"<>]+@", re.IGNORECASE), rf"\1{REDACTED}@"),
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,15}://[^\s?#'\"<>]*)[?#][^\s'\"<>)\]]*", re.IGNORECASE), rf"\1?{REDACTED}"),
    (re.compile(r"\b(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s'\"]+", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"), REDACTED),
    # what pydantic and PostgreSQL quote of the data in their errors
    (re.compile(r"input_value=.*?, input_type=", re.DOTALL), f"input_value={REDACTED}, input_type="),
    (re.compile(r"^(\s*DETAIL:\s).*$", re.MULTILINE), rf"\1{REDACTED}"),
    (
        re.compile(r"\b(invalid input (?:for query argument \$\d+|(?:syntax|value) for [^:\n]*):).*$", re.MULTILINE),
        rf"\1 {REDACTED}",
    ),
    (re.compile(r"\b(value |out of range: )\"[^\"\n]*\""), rf"\1{REDACTED}"),
)


def redact_text(text: str) -> str:
    """`text` without credentials, tokens, e-mail addresses, URL queries and quoted input."""
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}... ({len(text)} characters)"
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    return text


def redact(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 a log value may be anything
    """A copy of `value` that may be logged."""
    if value is None or isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return _redact_items(value, depth + 1) if depth < MAX_DEPTH else REDACTED
    return redact_text(_text_of(value))


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  a log line must never fail, whatever it is given
        return f"<{type(value).__name__}>"


def is_secret(key: str) -> bool:
    """Does a field of this name hold a secret or personal data?"""
    return key.lower().replace("_", "").replace("-", "").endswith(SECRET_ENDINGS)


def _redact_items(values: Any, depth: int) -> Any:  # noqa: ANN401 a log value may be anything
    if not isinstance(values, dict):
        return [redact(value, depth) for value in values]
    return {
        str(key): REDACTED if is_secret(str(key)) and value is not None else redact(value, depth)
        for key, value in values.items()
    }
