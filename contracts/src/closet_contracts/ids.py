"""Identifiers: time-ordered, opaque, with a prefix that says what they name."""

from typing import Annotated

from pydantic import StringConstraints
from uuid_utils import uuid7

TenantId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
# A tenant's own pseudonym for a shopper. No "@": an e-mail address can never become an identifier.
UserId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
DeviceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
JobId = Annotated[str, StringConstraints(pattern=r"^job_[0-9a-f]{32}$")]
UploadId = Annotated[str, StringConstraints(pattern=r"^upl_[0-9a-f]{32}$")]


def new_id(prefix: str) -> str:
    """A fresh identifier `<prefix>_<32 hex digits of a UUIDv7>` (RFC 9562), ordered by time of creation."""
    return f"{prefix}_{uuid7().hex}"
