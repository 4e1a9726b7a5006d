"""The table of failures: every code that the vendor publishes, and those it may yet invent."""

import pytest
from perfect_adapter.vendor.errors import ENGINE_FAILURES, REQUEST_FAILURES, Fault, engine_failure, request_failure

_ENGINE = """
exceed_max_filesize error_exceed_max_image_size error_below_min_image_size invalid_parameter error_download_image
error_download_mask error_decode_image error_decode_mask error_nsfw_content_detected exceed_nsfw_retry_limits
error_no_face error_multiple_people error_pose error_face_parsing error_face_pose error_large_face_angle
error_no_shoulder error_hair_too_short error_bald_image error_insufficient_landmarks error_unsupport_ratio
error_invalid_ref error_invalid_src error_apply_region_mismatch error_apply_region_not_detected error_editing_failed
error_src_face_too_small error_src_face_out_of_bound error_lighting_dark
error_inference error_upload unknown_internal_error
"""
_REFUSED = """
InvalidParameters BadRequest InvalidStyle InvalidStyleGroup OperationNotSupport OperationInvalid CreditInsufficiency
InvalidTaskId InvalidApiKey InactiveApiKey ExpiredApiKey InvalidAccessToken
"""
PUBLISHED, REFUSALS = _ENGINE.split(), _REFUSED.split()
RETRYABLE = {
    *("error_inference", "error_upload", "unknown_internal_error"),
    *("error_download_image", "error_download_mask"),
}
NOT_THE_PERSONS = RETRYABLE | {"invalid_parameter"}


def test_the_table_is_what_is_published() -> None:
    assert set(ENGINE_FAILURES) == set(PUBLISHED)
    assert set(REQUEST_FAILURES) == set(REFUSALS)


@pytest.mark.parametrize("code", PUBLISHED)
def test_engine_errors(code: str) -> None:
    failure = engine_failure(code)
    assert failure.retryable == (code in RETRYABLE)
    assert (failure.fault is not Fault.PERSON) == (code in NOT_THE_PERSONS)
    assert ("not about your picture" in failure.message) == (code in NOT_THE_PERSONS)
    assert failure.code == failure.code.lower().strip()
    for sentence in filter(None, (failure.message, failure.tip)):
        assert sentence[0].isupper()
        assert sentence.endswith(".")


@pytest.mark.parametrize("code", REFUSALS)
def test_refusals_are_never_repeated(code: str) -> None:
    failure = request_failure(400, code)
    assert not failure.retryable
    assert failure.fault is not Fault.PERSON
    assert "not about your picture" in failure.message


@pytest.mark.parametrize("code", ["CreditInsufficiency", "InvalidApiKey", "InactiveApiKey", "ExpiredApiKey"])
def test_what_is_about_us_says_so(code: str) -> None:
    failure = request_failure(401, code)
    assert failure.code == "vendor_unavailable"
    assert "not about your picture" in failure.message


def test_unknown_codes_have_an_end_too() -> None:
    assert engine_failure("error_of_next_year").code == "vendor_failed"
    assert engine_failure("").retryable
    assert engine_failure("").fault is Fault.VENDOR
    assert request_failure(400, "CodeOfNextYear").code == "vendor_rejected_request"
    assert request_failure(401, None).code == "vendor_unavailable"
    assert request_failure(403, None).code == "vendor_unavailable"
