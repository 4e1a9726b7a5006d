"""Object keys: everything that a tenant owns is below `tenant/<tenant>/`; keys hold ids, never file names."""

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
    """A key, or a part of one, that this module never makes."""


def upload_key(tenant: str, upload_id: str) -> str:
    """Return the key of an upload as the client sent it: untrusted, and deleted once it is checked."""
    return f"{_prefix(tenant)}/uploads/{_validated(_UPLOAD_RE, upload_id)}"


def input_key(tenant: str, upload_id: str, ext: str) -> str:
    """Return the key of a checked upload: upright, without metadata, as jobs use it."""
    return f"{_prefix(tenant)}/inputs/{_validated(_UPLOAD_RE, upload_id)}.{_valid_extension(ext)}"


def result_key(tenant: str, job_id: str, item: int, ext: str, part: int = 0) -> str:
    """Return the key of a result of a job's item; `part` numbers the further files of the same item."""
    if item < 0 or part < 0:
        raise InvalidKey("a result's number cannot be negative")
    name = f"result_{item}_{part}" if part else f"result_{item}"
    return f"{_prefix(tenant)}/results/{_validated(_JOB_RE, job_id)}/{name}.{_valid_extension(ext)}"


def prepared_key(tenant: str, job_id: str, item: int, role: str, ext: str) -> str:
    """Return the key of an input prepared for the vendor, beside the job's results, so that it is erased with them."""
    if not _ROLE_RE.fullmatch(role) or item < 0:
        raise InvalidKey("not a role or an item of a job")
    return f"{_prefix(tenant)}/results/{_validated(_JOB_RE, job_id)}/input_{item}_{role}.{_valid_extension(ext)}"


def parse_upload_key(key: str) -> tuple[str, str]:
    """Return the tenant and the upload id of a key that `upload_key` made.

    Raises:
        InvalidKey: `upload_key` did not make it.
    """
    if not (match := _UPLOAD_KEY_RE.fullmatch(key)):
        raise InvalidKey("not the key of an upload")
    return match[1], match[2]


def belongs_to(key: str, tenant: str) -> bool:
    """Return whether the key is well formed (no empty, dotted or odd segments) and below this tenant's prefix."""
    match = _ANY_KEY_RE.fullmatch(key)
    return match is not None and match[1] == tenant


def _prefix(tenant: str) -> str:
    return f"tenant/{_validated(_TENANT_RE, tenant)}"


def _validated(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise InvalidKey(f"not of the form {pattern.pattern}")
    return value


def _valid_extension(ext: str) -> str:
    if ext not in EXTENSIONS.values():
        raise InvalidKey(f"not one of {', '.join(EXTENSIONS.values())}")
    return ext
