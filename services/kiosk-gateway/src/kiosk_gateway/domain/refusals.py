"""Every way in which this service says no: a stable code, a status, a sentence for a person."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One kind of problem. `retry_after_s` tells when asking again makes sense."""

    code: str
    status: int
    sentence: str
    retry_after_s: int | None = None


MALFORMED_JSON = Refusal("malformed_json", 400, "The body is not JSON.")
INVALID_IDEMPOTENCY_KEY = Refusal(
    "invalid_idempotency_key", 400, "An Idempotency-Key is 1 to 255 visible ASCII characters."
)
INVALID_CURSOR = Refusal("invalid_cursor", 400, "This cursor is not one that was given out here.")
INVALID_LAST_EVENT_ID = Refusal("invalid_last_event_id", 400, "Last-Event-ID is not one that was given out here.")
INVALID_API_KEY = Refusal("invalid_api_key", 401, "This API key is not known.")
INVALID_TOKEN = Refusal("invalid_token", 401, "The access token is missing, not ours, revoked, or has expired.")
INVALID_REFRESH_TOKEN = Refusal("invalid_refresh_token", 401, "This refresh token is not known or has expired.")
REFRESH_TOKEN_REUSED = Refusal(
    "refresh_token_reused", 401, "This refresh token was used before, so its whole session has been ended."
)
INSUFFICIENT_CREDITS = Refusal("insufficient_credits", 402, "There are not enough credits for this picture.")
INSUFFICIENT_SCOPE = Refusal("insufficient_scope", 403, "The access token does not allow this.")
CONSENT_REQUIRED = Refusal(
    "consent_required", 403, "The person has not consented to the version of the terms that is in force."
)
JOB_NOT_FOUND = Refusal("job_not_found", 404, "There is no such job.")
INPUT_NOT_FOUND = Refusal("input_not_found", 404, "There is no such upload.")
ASSET_NOT_FOUND = Refusal("asset_not_found", 404, "There is no such picture.")
UPLOAD_TOO_LARGE = Refusal(
    "upload_too_large",
    413,
    "A picture may have at most 10 MB. Please send it in a smaller size, or save it as JPEG.",
)
BODY_TOO_LARGE = Refusal("body_too_large", 413, "The body is larger than this address takes.")
UNSUPPORTED_MEDIA_TYPE = Refusal("unsupported_media_type", 415, "The body has to be application/json.")
UNSUPPORTED_CONTENT_TYPE = Refusal("unsupported_content_type", 415, "Only JPEG, PNG and WebP pictures can be uploaded.")
UNSUPPORTED_PICTURE_FORMAT = Refusal(
    "unsupported_picture_format",
    415,
    "HEIC and AVIF pictures cannot be used. Please save the picture as JPEG and send that, or set the camera to JPEG "
    "(on an iPhone: Settings, Camera, Formats, Most Compatible).",
)
SIZE_REQUIRED = Refusal(
    "size_required", 422, "Please name the size of the picture in bytes: its upload URL takes exactly so many."
)
INVALID_REQUEST = Refusal("invalid_request", 422, "The request is not as it should be.")
IDEMPOTENCY_KEY_REUSED = Refusal(
    "idempotency_key_reused", 422, "This Idempotency-Key was used before, for another request."
)
UNKNOWN_CONSENT_VERSION = Refusal(
    "unknown_consent_version", 422, "Consent can only be given to the version of the terms that is in force."
)
QUOTE_NOT_FOUND = Refusal("quote_not_found", 422, "There is no such quote.")
QUOTE_EXPIRED = Refusal("quote_expired", 422, "The quote has expired. Please ask for a new estimate.")
QUOTE_MISMATCH = Refusal("quote_mismatch", 422, "The quote is for other work. Please ask for a new estimate.")
UNKNOWN_TEMPLATE = Refusal("unknown_template", 422, "There is no such template. GET /gen/templates lists them.")
UNPRICEABLE = Refusal("unpriceable", 422, "There is no price for this.")
VENDOR_SATURATED = Refusal(
    "vendor_saturated", 429, "So many pictures are waiting that yours would take too long. Please try again later.", 60
)
INTERNAL = Refusal("internal", 500, "Something went wrong on our side.")
UNAVAILABLE = Refusal("unavailable", 503, "A part of the service is away for the moment. Please try again.", 1)
TEMPLATES_UNAVAILABLE = Refusal(
    "templates_unavailable", 503, "The templates are not known yet. Please try again in a minute.", 60
)
INTAKE_PAUSED = Refusal(
    "intake_paused",
    503,
    "No new pictures can be asked for at the moment. Those asked for are kept and will be made.",
    10,
)
OVERLOADED = Refusal("overloaded", 503, "More requests are waiting than can be taken. Please try again.", 1)

TAKING_A_BODY = (MALFORMED_JSON, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST)
PRICED = (QUOTE_NOT_FOUND, QUOTE_EXPIRED, QUOTE_MISMATCH, UNPRICEABLE)
BUSY = (VENDOR_SATURATED, OVERLOADED, INTAKE_PAUSED)
IDEMPOTENT = (INVALID_IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_REUSED)
ALWAYS = (INTERNAL, UNAVAILABLE)
