"""What every failure the vendor knows means for a job: a stable code, whether a new task may be made, a sentence."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a render gave no picture: `message` says it to the person who waits.

    `retryable`: the next task may well succeed, and nothing is paid for this one.
    """

    code: str
    retryable: bool
    message: str


def _photo(code: str, message: str) -> Failure:
    """The person has to change the picture; the same one would fail again."""
    return Failure(code, retryable=False, message=message)


_NOT_YOUR_FAULT = "This is not about your picture, and nothing is charged."
UNAVAILABLE = Failure(
    "vendor_unavailable", retryable=False, message=f"Pictures cannot be made for the moment. {_NOT_YOUR_FAULT}"
)
SATURATED = Failure(
    "vendor_saturated", retryable=False, message="Too many pictures are being made. Please try again a little later."
)
AMBIGUOUS = Failure(
    "vendor_ambiguous",
    retryable=False,
    message="We lost sight of your picture while it was being made. Nothing is charged. Please try again.",
)
TASK_LOST = Failure(
    "vendor_task_lost", retryable=False, message=f"The picture was not finished. {_NOT_YOUR_FAULT} Please try again."
)
NO_RESULT = Failure(
    "vendor_result_unavailable",
    retryable=False,
    message=f"The finished picture could not be fetched. {_NOT_YOUR_FAULT} Please try again.",
)
BAD_RESULT = Failure(
    "vendor_result_invalid",
    retryable=False,
    message=f"What was made is not a usable picture. {_NOT_YOUR_FAULT} Please try again.",
)
_REQUEST = Failure(
    "vendor_rejected_request",
    retryable=False,
    message=f"The picture could not be ordered. {_NOT_YOUR_FAULT}",
)
_ENGINE = Failure(
    "vendor_failed",
    retryable=True,
    message=f"The picture could not be made this time. {_NOT_YOUR_FAULT} Please try again.",
)
_UNKNOWN = Failure(
    "vendor_failed",
    retryable=False,
    message="The picture could not be made. Please try another photo.",
)

REQUEST_FAILURES: dict[str, Failure] = {
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

_TOO_LARGE = "The picture is too large. Please use one below 10 MB and at most 4096 pixels long."
_UNREADABLE = "The picture cannot be read. Please use another one."
_INDECENT = "The picture cannot be used because of what it shows. Please use another one."
_UNCLEAR = "The face cannot be seen clearly. Please use a sharp, well-lit photo without anything before the face."
_TURNED = "The face is turned away too far. Please look straight into the camera."

ENGINE_FAILURES: dict[str, Failure] = {
    "exceed_max_filesize": _photo("input_too_large", _TOO_LARGE),
    "error_exceed_max_image_size": _photo("input_too_large", _TOO_LARGE),
    "error_below_min_image_size": _photo(
        "input_too_small", "The picture is too small. Please use one of at least 512 by 384 pixels."
    ),
    "invalid_parameter": _REQUEST,
    "error_download_image": _photo("input_not_readable", _UNREADABLE),
    "error_download_mask": _photo("mask_not_readable", "The mask cannot be read. Please draw it again."),
    "error_decode_image": _photo("input_not_readable", _UNREADABLE),
    "error_decode_mask": _photo("mask_not_readable", "The mask cannot be read. Please draw it again."),
    "error_nsfw_content_detected": _photo("content_refused", _INDECENT),
    "exceed_nsfw_retry_limits": _photo("content_refused", _INDECENT),
    "error_no_face": _photo("person_not_found", "No person was found in the photo. Please use one of one person."),
    "error_multiple_people": _photo("several_people", "The photo shows several people. Please use one of one person."),
    "error_pose": _photo("pose_unsuitable", "The pose does not fit. Please stand upright and face the camera."),
    "error_face_parsing": _photo("face_unclear", _UNCLEAR),
    "error_face_pose": _photo("face_turned", _TURNED),
    "error_large_face_angle": _photo("face_turned", _TURNED),
    "error_no_shoulder": _photo(
        "shoulders_not_visible", "The shoulders cannot be seen. Please step back from the camera a little."
    ),
    "error_hair_too_short": _photo("hair_too_short", "The hair is too short for this. Please use another photo."),
    "error_bald_image": _photo("no_hair_found", "No hair was found in the photo. Please use another one."),
    "error_insufficient_landmarks": _photo("face_unclear", _UNCLEAR),
    "error_unsupport_ratio": _photo("ratio_unsuitable", "The photo is too narrow or too wide. Please crop it."),
    "error_invalid_ref": _photo("reference_unsuitable", "The picture of the item cannot be used. Please use another."),
    "error_invalid_src": _photo("photo_unsuitable", "The photo cannot be used. Please take another one."),
    "error_apply_region_mismatch": _photo(
        "region_mismatch", "The photo does not show where the item is worn. Please use one that does."
    ),
    "error_editing_failed": _photo("editing_failed", "The change could not be made. Please try another photo."),
    "error_inference": _ENGINE,
    "error_upload": _ENGINE,
    "unknown_internal_error": _ENGINE,
}
"""`error` of a task that ended in error -> what it means."""


def request_failure(status: int, vendor_code: str | None) -> Failure:
    """What a definite refusal of a call (4xx) means; an unknown code is a request that we got wrong."""
    if known := REQUEST_FAILURES.get(vendor_code or ""):
        return known
    return UNAVAILABLE if status in {401, 403} else _REQUEST


def engine_failure(vendor_code: str) -> Failure:
    """What a task's error means; an unknown one is not tried again."""
    return ENGINE_FAILURES.get(vendor_code, _UNKNOWN)
