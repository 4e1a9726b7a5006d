"""The rules: what may be uploaded and for how long, and what a job that names an upload is told."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from closet_contracts.generation import Input
from closet_contracts.upload import Asset
from closet_contracts.work import Role

MAX_UPLOAD_BYTES = 10 * 1024 * 1024
PUT_EXPIRES_S = 600
GET_EXPIRES_S = 3600
UNUSED_KEPT_S = 20 * 3600  # an upload that no job has named by then is removed: within a day, also when that takes long
LATE_PUT_S = 900  # a PUT that began while its URL lived may end so long after
SHARE_PER_DECODER = 2  # what one tenant may have in hand for each: one that is decoded, one that is read meanwhile
OVERTAKEN_S_PER_BYTE = 1e-6  # a large upload waits as if it had come so much later: 10 s at most

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
TOO_LARGE = Refusal(
    "input_too_large",
    "The picture is too large: the limit is 10 MB. Please send it in a smaller size, or save it as JPEG.",
)

MASK_DOES_NOT_FIT = Refusal(
    "mask_does_not_fit", "The mask has another shape than its picture. Please draw it on the picture itself."
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an upload is."""

    tenant_id: str
    user_id: str


def retry_after_s(tries: int) -> float:
    """Seconds until a check that found the storage away is made again, after so many tries."""
    return min(_RETRY_FIRST_S * 2.0 ** min(max(tries - 1, 0), 10), _RETRY_MAX_S)


def pictures_of_masks(inputs: Sequence[Input]) -> Mapping[str, frozenset[str]]:
    """Each upload that is used as a mask, with the uploads of the pictures that it is for: those of the same items."""
    items = {(each.upload_id, each.item) for each in inputs if each.role is Role.MASK}
    return {
        mask: frozenset(each.upload_id for each in inputs if each.role is Role.IMAGE and (mask, each.item) in items)
        for mask, _ in items
    }


def refusal_of_mask(mask: Asset, pictures: Iterable[Asset]) -> Refusal | None:
    """Why it cannot be the mask of these pictures. Sizes may differ by a scale, as pictures are scaled down."""
    return None if all(_has_shape_of(mask, picture) for picture in pictures) else MASK_DOES_NOT_FIT


def _has_shape_of(one: Asset, other: Asset) -> bool:
    """Whether the sides are in the same proportion, but for a pixel that was rounded."""
    a, b = one.width * other.height, other.width * one.height
    return abs(a - b) <= max(one.width, one.height, other.width, other.height)


def is_sha256(digest: str) -> bool:
    """Whether it has the form of a SHA-256 digest."""
    return _SHA256.fullmatch(digest) is not None


def is_usable_result(tenant_id: str, key: str) -> bool:
    """Whether a (well-formed) key of this tenant names a result; nothing else is ever signed for reading."""
    return key.startswith(f"tenant/{tenant_id}/results/")
