"""The rules of uploads: how long URLs live, how checks are shared out, and why an upload is rejected."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from closet_contracts.generation import Input
from closet_contracts.upload import UPLOAD_RULES, Asset
from closet_contracts.work import Role

PUT_EXPIRES_S = 600
GET_EXPIRES_S = 3600
UNUSED_RETENTION_S = 20 * 3600  # after this, an upload that no job has named is deleted: within a day, with a margin
LATE_PUT_GRACE_S = 900  # a PUT that began while its URL was valid may end so much later
TENANT_LIMIT_PER_DECODER = 2  # uploads of one tenant in progress per decoder: one is decoded, one is read meanwhile
SIZE_DELAY_S_PER_BYTE = 1e-6  # a large upload is queued as if it had arrived so much later: 10 s at most

_RETRY_FIRST_S = 1.0
_RETRY_MAX_S = 30.0
_SHA256 = re.compile("[0-9a-f]{64}")


class State(StrEnum):
    """The state of an upload; `ready` and `rejected` are final."""

    UNCHECKED = "unchecked"
    READY = "ready"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an upload cannot be used: a stable code and a sentence for a person."""

    code: str
    message: str


NOT_FOUND = Rejection("input_not_found", "We could not find this picture. Please upload it again.")
MISSING = Rejection("input_missing", "The picture has not arrived. Please upload it again.")
TOO_LARGE = Rejection(
    "input_too_large",
    f"The picture is too large: the limit is {UPLOAD_RULES.max_megabytes} MB. "
    "Please send it in a smaller size, or save it as JPEG.",
)

MASK_DOES_NOT_FIT = Rejection(
    "mask_does_not_fit", "The mask has another shape than its picture. Please draw it on the picture itself."
)


@dataclass(frozen=True, slots=True)
class Owner:
    """The user whose upload it is."""

    tenant_id: str
    user_id: str


def retry_after_s(tries: int) -> float:
    """Return the seconds until a check is tried again after storage or decoder was unavailable `tries` times."""
    return min(_RETRY_FIRST_S * 2.0 ** min(max(tries - 1, 0), 10), _RETRY_MAX_S)


def pictures_of_masks(inputs: Sequence[Input]) -> Mapping[str, frozenset[str]]:
    """Return the ids of the uploads used as masks, each with the ids of its pictures: those of the same items."""
    items = {(each.upload_id, each.item) for each in inputs if each.role is Role.MASK}
    return {
        mask: frozenset(each.upload_id for each in inputs if each.role is Role.IMAGE and (mask, each.item) in items)
        for mask, _ in items
    }


def mask_rejection(mask: Asset, pictures: Iterable[Asset]) -> Rejection | None:
    """Return why the mask does not fit its pictures, if so. Sizes may differ by a factor: pictures are scaled down."""
    return None if all(_has_shape_of(mask, picture) for picture in pictures) else MASK_DOES_NOT_FIT


def _has_shape_of(one: Asset, other: Asset) -> bool:
    """Return whether the sides have the same ratio, up to a rounded pixel."""
    a, b = one.width * other.height, other.width * one.height
    return abs(a - b) <= max(one.width, one.height, other.width, other.height)


def is_sha256(digest: str) -> bool:
    """Return whether the string has the form of a hexadecimal SHA-256 digest."""
    return _SHA256.fullmatch(digest) is not None


def is_result_key(tenant_id: str, key: str) -> bool:
    """Return whether a (well-formed) key names a result of this tenant; nothing else is ever signed for reading."""
    return key.startswith(f"tenant/{tenant_id}/results/")
