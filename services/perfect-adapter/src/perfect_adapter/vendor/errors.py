"""The table of the vendor's failures: stable codes, whether a new task may succeed, sentences for the person. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Who has to act on a failure."""

    PERSON = "person"
    """The picture has to be another one."""
    OURS = "ours"
    """Our request, or our storage and the way to it."""
    VENDOR = "vendor"
    OPERATOR = "operator"
    """The account at the vendor: its keys and units."""


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Why a render gave no picture: `message` is for the person who waits, `tip` helps to take a better photo.

    `retryable`: the next task may well succeed, and nothing is paid for this one.
    """

    code: str
    fault: Fault
    retryable: bool
    message: str
    tip: str | None = None


def _photo(code: str, message: str, tip: str | None = None) -> FailureReason:
    """The person has to change the picture; the same one would fail again."""
    return FailureReason(code, Fault.PERSON, retryable=False, message=message, tip=tip)


_NOT_YOUR_FAULT = "This is not about your picture, and nothing is charged."
UNAVAILABLE = FailureReason(
    "vendor_unavailable",
    Fault.OPERATOR,
    retryable=False,
    message=f"Pictures cannot be made for the moment. {_NOT_YOUR_FAULT}",
)
SATURATED = FailureReason(
    "vendor_saturated",
    Fault.VENDOR,
    retryable=False,
    message="Too many pictures are being made. Please try again a little later.",
)
NOT_IN_TIME = FailureReason(
    "deadline_passed",
    Fault.VENDOR,
    retryable=False,
    message=f"There was not enough time left to make the picture. {_NOT_YOUR_FAULT} Please try again.",
)
AMBIGUOUS = FailureReason(
    "vendor_ambiguous",
    Fault.VENDOR,
    retryable=False,
    message="We lost sight of your picture while it was being made. Nothing is charged. Please try again.",
)
TASK_LOST = FailureReason(
    "vendor_task_lost",
    Fault.VENDOR,
    retryable=False,
    message=f"The picture was not finished. {_NOT_YOUR_FAULT} Please try again.",
)
TASK_TIMED_OUT = FailureReason(
    "vendor_timed_out",
    Fault.VENDOR,
    retryable=True,
    message=f"The picture was not finished in time. {_NOT_YOUR_FAULT} Please try again.",
)
INPUT_GONE = FailureReason(
    "input_gone", Fault.OURS, retryable=False, message="The picture is no longer with us. Please upload it again."
)
_NOT_FETCHED = FailureReason(
    "input_not_fetched",
    Fault.OURS,
    retryable=True,
    message=f"The picture could not be brought to where it is worked on. {_NOT_YOUR_FAULT} Please try again.",
)
NO_RESULT = FailureReason(
    "vendor_result_unavailable",
    Fault.VENDOR,
    retryable=False,
    message=f"The finished picture could not be fetched. {_NOT_YOUR_FAULT} Please try again.",
)
BAD_RESULT = FailureReason(
    "vendor_result_invalid",
    Fault.VENDOR,
    retryable=False,
    message=f"What was made is not a usable picture. {_NOT_YOUR_FAULT} Please try again.",
)
_REQUEST = FailureReason(
    "vendor_rejected_request",
    Fault.OURS,
    retryable=False,
    message=f"The picture could not be ordered. {_NOT_YOUR_FAULT}",
)
_ENGINE = FailureReason(
    "vendor_failed",
    Fault.VENDOR,
    retryable=True,
    message=f"The picture could not be made this time. {_NOT_YOUR_FAULT} Please try again.",
)

REQUEST_FAILURES: dict[str, FailureReason] = {
    "InvalidParameters": _REQUEST,
    "BadRequest": _REQUEST,
    "InvalidStyle": _REQUEST,
    "InvalidStyleGroup": _REQUEST,
    "OperationNotSupport": _REQUEST,
    "OperationInvalid": _REQUEST,
    "InvalidTaskId": TASK_LOST,
    "CreditInsufficiency": UNAVAILABLE,
    "InvalidApiKey": UNAVAILABLE,
    "InactiveApiKey": UNAVAILABLE,
    "ExpiredApiKey": UNAVAILABLE,
    "InvalidAccessToken": UNAVAILABLE,
}
"""`error_code` of a refused call -> what it means."""

_LIGHT = "Face the light, so that no shadow falls on you."
_FACE = "Hold the camera at eye level, and take off glasses, cap and mask."
_ALONE = "Stand alone before a plain background."
_WHOLE = "Stand upright and face the camera, with your arms a little away from your body."
_STEP_BACK = "Step back until the camera shows you from head to hip."
_HAIR = "Let the hair fall freely, and take off caps and hoods."
_ITEM = "Show the item by itself, from the front, on a plain background."

RATIO = _photo("ratio_unsuitable", "The photo is too narrow or too wide. Please crop it.")
"""Also said before anything is ordered, where scaling it down to the most would leave less than the least."""

_TOO_LARGE = _photo(
    "input_too_large", "The picture is too large. Please use one below 10 MB and at most 4096 pixels long."
)
UNREADABLE = _photo("input_not_readable", "The picture cannot be read. Please use another one.")
_MASK = _photo("mask_not_readable", "The mask cannot be read. Please draw it again.")
_INDECENT = _photo("content_refused", "The picture cannot be used because of what it shows. Please use another one.")
_UNCLEAR = _photo("face_unclear", "The face cannot be seen clearly. Please use a sharp, well-lit photo.", _LIGHT)
_REGION = _photo(
    "region_mismatch",
    "The photo does not show where the item is worn. Please use one that does.",
    "Show the whole part of the body that the item covers.",
)
_TURNED = _photo("face_turned", "The face is turned away too far. Please look straight into the camera.", _FACE)

TOO_SMALL = _photo(
    "input_too_small",
    "The picture is too small for this. Please use a larger one.",
    "Use the camera's full resolution, and do not crop the photo.",
)
"""Also said before anything is ordered, where the size is known to be too small."""

ENGINE_FAILURES: dict[str, FailureReason] = {
    "exceed_max_filesize": _TOO_LARGE,
    "error_exceed_max_image_size": _TOO_LARGE,
    "error_below_min_image_size": TOO_SMALL,
    "invalid_parameter": _REQUEST,
    # We have decoded these files: what failed is our storage or the way to it.
    "error_download_image": _NOT_FETCHED,
    "error_download_mask": _NOT_FETCHED,
    "error_decode_image": UNREADABLE,
    "error_decode_mask": _MASK,
    "error_nsfw_content_detected": _INDECENT,
    "exceed_nsfw_retry_limits": _INDECENT,
    "error_no_face": _photo(
        "person_not_found", "No person was found in the photo. Please use one of one person.", _LIGHT
    ),
    "error_multiple_people": _photo(
        "several_people", "The photo shows several people. Please use one of one person.", _ALONE
    ),
    "error_pose": _photo("pose_unsuitable", "The pose does not fit. Please use another photo.", _WHOLE),
    "error_face_parsing": _UNCLEAR,
    "error_face_pose": _TURNED,
    "error_large_face_angle": _TURNED,
    "error_no_shoulder": _photo(
        "shoulders_not_visible", "The shoulders cannot be seen. Please use a photo that shows them.", _STEP_BACK
    ),
    "error_hair_too_short": _photo(
        "hair_too_short", "The hair is too short for this. Please use another photo.", _HAIR
    ),
    "error_bald_image": _photo("no_hair_found", "No hair was found in the photo. Please use another one.", _HAIR),
    "error_insufficient_landmarks": _UNCLEAR,
    "error_unsupport_ratio": RATIO,
    "error_invalid_ref": _photo(
        "reference_unsuitable", "The picture of the item cannot be used. Please use another.", _ITEM
    ),
    "error_invalid_src": _photo("photo_unsuitable", "The photo cannot be used. Please take another one.", _WHOLE),
    "error_apply_region_mismatch": _REGION,
    "error_apply_region_not_detected": _REGION,
    "error_editing_failed": _photo("editing_failed", "The change could not be made. Please try another photo."),
    "error_src_face_too_small": _photo(
        "face_too_small", "The face is too small in the photo.", "Come closer, until your face fills most of the width."
    ),
    "error_src_face_out_of_bound": _photo(
        "face_cut_off", "The face is not wholly in the photo.", "Keep your whole face in the middle of the photo."
    ),
    "error_lighting_dark": _photo("too_dark", "The photo is too dark.", _LIGHT),
    "error_inference": _ENGINE,
    "error_upload": _ENGINE,
    "unknown_internal_error": _ENGINE,
}
"""`error` of a task that ended in error -> what it means."""


def request_failure(status: int, vendor_code: str | None) -> FailureReason:
    """Return what a definite refusal of a call (4xx) means; an unknown code means that our request is wrong."""
    if known := REQUEST_FAILURES.get(vendor_code or ""):
        return known
    return UNAVAILABLE if status in {401, 403} else _REQUEST


def engine_failure(vendor_code: str) -> FailureReason:
    """Return what a task's error means. An unknown one is the vendor's fault: nothing was charged for it."""
    return ENGINE_FAILURES.get(vendor_code, _ENGINE)
