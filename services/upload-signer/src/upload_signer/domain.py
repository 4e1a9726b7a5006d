"""The rules: what may be uploaded and for how long, and what a job that names an upload is told."""

import re
from dataclasses import dataclass
from enum import StrEnum

CONTENT_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
MAX_UPLOAD_BYTES = 10 * 1024 * 1024
PUT_EXPIRES_S = 600
GET_EXPIRES_S = 3600

_RETRY_FIRST_S = 1.0
_RETRY_MAX_S = 30.0
_SHA256 = re.compile("[0-9a-f]{64}")


class State(StrEnum):
    """Where an upload stands; `ready` and `rejected` are final."""

    UNCHECKED = "unchecked"
    READY = "ready"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an upload cannot be used: a stable code and a sentence for a person."""

    code: str
    message: str


NOT_FOUND = Refusal("input_not_found", "We could not find this picture. Please upload it again.")
MISSING = Refusal("input_missing", "The picture has not arrived. Please upload it again.")
TOO_LARGE = Refusal("input_too_large", "The picture is too large. The limit is 10 MB.")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an upload is."""

    tenant_id: str
    user_id: str


def retry_after_s(tries: int) -> float:
    """Seconds until a check that found the storage away is made again, after so many tries."""
    return min(_RETRY_FIRST_S * 2.0 ** min(max(tries - 1, 0), 10), _RETRY_MAX_S)


def is_sha256(digest: str) -> bool:
    """Whether it has the form of a SHA-256 digest."""
    return _SHA256.fullmatch(digest) is not None


def is_usable_result(tenant_id: str, key: str) -> bool:
    """Whether a (well-formed) key of this tenant names a result; nothing else is ever signed for reading."""
    return key.startswith(f"tenant/{tenant_id}/results/")
