"""Where objects live: all that a tenant owns is below `tenant/<tenant>/`; names hold ids, never file names."""

import re

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "application/json": "json"}

_TENANT = r"[a-z0-9][a-z0-9-]{1,62}"
_UPLOAD = r"upl_[0-9a-f]{32}"
_JOB = r"job_[0-9a-f]{32}"
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]*"

_TENANT_RE = re.compile(_TENANT)
_UPLOAD_RE = re.compile(_UPLOAD)
_JOB_RE = re.compile(_JOB)
_ROLE_RE = re.compile("[a-z]+")
_UPLOAD_KEY_RE = re.compile(rf"tenant/({_TENANT})/uploads/({_UPLOAD})")
_ANY_KEY_RE = re.compile(rf"tenant/({_TENANT})(?:/{_SEGMENT})+")


class InvalidKey(ValueError):
    """A key, or a part of one, that we never made."""


def upload_key(tenant: str, upload_id: str) -> str:
    """The raw bytes as the client sent them: untrusted, and gone once they are checked."""
    return f"{_prefix(tenant)}/uploads/{_checked(_UPLOAD_RE, upload_id)}"


def input_key(tenant: str, upload_id: str, ext: str) -> str:
    """The checked, upright picture without metadata that jobs use."""
    return f"{_prefix(tenant)}/inputs/{_checked(_UPLOAD_RE, upload_id)}.{_known(ext)}"


def result_key(tenant: str, job_id: str, item: int, ext: str, part: int = 0) -> str:
    """What an item of a job made; each of several files by its `part`, so that no item's lie where another's do."""
    if item < 0 or part < 0:
        raise InvalidKey("a result's number cannot be negative")
    name = f"result_{item}_{part}" if part else f"result_{item}"
    return f"{_prefix(tenant)}/results/{_checked(_JOB_RE, job_id)}/{name}.{_known(ext)}"


def prepared_key(tenant: str, job_id: str, item: int, role: str, ext: str) -> str:
    """What was made of an input for the vendor; it lies with the job's results, so that it goes when they go."""
    if not _ROLE_RE.fullmatch(role) or item < 0:
        raise InvalidKey("not a part that an input plays")
    return f"{_prefix(tenant)}/results/{_checked(_JOB_RE, job_id)}/input_{item}_{role}.{_known(ext)}"


def parse_upload_key(key: str) -> tuple[str, str]:
    """The tenant and the upload id of a key that `upload_key` made.

    Raises:
        InvalidKey: it is anything else.
    """
    if not (match := _UPLOAD_KEY_RE.fullmatch(key)):
        raise InvalidKey("not the key of an upload")
    return match[1], match[2]


def belongs_to(key: str, tenant: str) -> bool:
    """Whether the key is well formed (no empty, dotted or odd segments) and lies below this tenant's prefix."""
    match = _ANY_KEY_RE.fullmatch(key)
    return match is not None and match[1] == tenant


def _prefix(tenant: str) -> str:
    return f"tenant/{_checked(_TENANT_RE, tenant)}"


def _checked(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise InvalidKey(f"not of the form {pattern.pattern}")
    return value


def _known(ext: str) -> str:
    if ext not in EXTENSIONS.values():
        raise InvalidKey(f"not one of {', '.join(EXTENSIONS.values())}")
    return ext
