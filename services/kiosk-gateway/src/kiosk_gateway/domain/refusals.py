"""The reasons for which this service refuses a request: a stable code, an HTTP status, a sentence for a person."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One kind of problem. `retry_after_s`: the seconds after which a repetition may succeed."""

    code: str
    status: int
    detail: str
    retry_after_s: int | None = None


MALFORMED_JSON = Refusal("malformed_json", 400, "The body is not JSON.")
INVALID_IDEMPOTENCY_KEY = Refusal(
    "invalid_idempotency_key", 400, "An Idempotency-Key consists of 1 to 255 visible ASCII characters."
)
INVALID_CURSOR = Refusal("invalid_cursor", 400, "The cursor is not one that this API has returned.")
INVALID_LAST_EVENT_ID = Refusal("invalid_last_event_id", 400, "Last-Event-ID is not an id that this API has sent.")
INVALID_API_KEY = Refusal("invalid_api_key", 401, "The API key is unknown or revoked.")
INVALID_TOKEN = Refusal("invalid_token", 401, "The access token is missing, invalid, revoked or expired.")
INVALID_REFRESH_TOKEN = Refusal("invalid_refresh_token", 401, "The refresh token is unknown or expired.")
REFRESH_TOKEN_REUSED = Refusal(
    "refresh_token_reused", 401, "The refresh token has been used before, so its session has been ended."
)
INSUFFICIENT_CREDITS = Refusal("insufficient_credits", 402, "There are not enough credits for this job.")
INSUFFICIENT_SCOPE = Refusal("insufficient_scope", 403, "The access token does not hold the required scope.")
CONSENT_REQUIRED = Refusal("consent_required", 403, "The person has not consented to the current version of the terms.")
JOB_NOT_FOUND = Refusal("job_not_found", 404, "There is no such job.")
INPUT_NOT_FOUND = Refusal("input_not_found", 404, "There is no such upload.")
ASSET_NOT_FOUND = Refusal("asset_not_found", 404, "There is no such result.")
UPLOAD_TOO_LARGE = Refusal(
    "upload_too_large",
    413,
    "A picture may have at most 10 MB. Please send it in a smaller size, or save it as JPEG.",
)
BODY_TOO_LARGE = Refusal("body_too_large", 413, "The request body is too large.")
UNSUPPORTED_MEDIA_TYPE = Refusal("unsupported_media_type", 415, "The Content-Type must be application/json.")
UNSUPPORTED_CONTENT_TYPE = Refusal("unsupported_content_type", 415, "Only JPEG, PNG and WebP pictures can be uploaded.")
UNSUPPORTED_PICTURE_FORMAT = Refusal(
    "unsupported_picture_format",
    415,
    "HEIC and AVIF pictures cannot be used. Please save the picture as JPEG and send that, or set the camera to JPEG "
    "(on an iPhone: Settings, Camera, Formats, Most Compatible).",
)
SIZE_REQUIRED = Refusal(
    "size_required", 422, "Please state the size of the picture in bytes: the upload URL accepts exactly that many."
)
INVALID_REQUEST = Refusal("invalid_request", 422, "The request is invalid.")
IDEMPOTENCY_KEY_REUSED = Refusal(
    "idempotency_key_reused", 422, "This Idempotency-Key has been used before, for a different request."
)
UNKNOWN_CONSENT_VERSION = Refusal(
    "unknown_consent_version", 422, "Consent can only be given to the current version of the terms."
)
QUOTE_NOT_FOUND = Refusal("quote_not_found", 422, "There is no such quote.")
QUOTE_EXPIRED = Refusal("quote_expired", 422, "The quote has expired. Please request a new estimate.")
QUOTE_MISMATCH = Refusal("quote_mismatch", 422, "The quote is for different work. Please request a new estimate.")
UNKNOWN_TEMPLATE = Refusal("unknown_template", 422, "There is no such template. GET /gen/templates lists them.")
UNPRICEABLE = Refusal("unpriceable", 422, "There is no price for this work.")
VENDOR_SATURATED = Refusal(
    "vendor_saturated", 429, "Too many pictures are waiting; yours would take too long. Please try again later.", 60
)
INTERNAL = Refusal("internal", 500, "Something went wrong on our side.")
UNAVAILABLE = Refusal("unavailable", 503, "A part of the service is unavailable at the moment. Please try again.", 1)
TEMPLATES_UNAVAILABLE = Refusal(
    "templates_unavailable", 503, "The templates have not been loaded yet. Please try again in a minute.", 60
)
INTAKE_PAUSED = Refusal(
    "intake_paused",
    503,
    "New jobs cannot be accepted at the moment. Jobs that were accepted before are kept and will run.",
    10,
)
OVERLOADED = Refusal("overloaded", 503, "Too many requests are waiting. Please try again.", 1)

WITH_BODY = (MALFORMED_JSON, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST)
PRICED = (QUOTE_NOT_FOUND, QUOTE_EXPIRED, QUOTE_MISMATCH, UNPRICEABLE)
BUSY = (VENDOR_SATURATED, OVERLOADED, INTAKE_PAUSED)
IDEMPOTENT = (INVALID_IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_REUSED)
ALWAYS = (INTERNAL, UNAVAILABLE)
