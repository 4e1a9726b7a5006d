"""Rules of uploads."""

from upload_signer.domain import is_result_key, is_sha256, retry_after_s


def test_retries_come_later_each_time_but_not_too_late() -> None:
    delays = [retry_after_s(tries) for tries in range(1, 50)]
    assert delays[0] == 1
    assert delays == sorted(delays)
    assert delays[-1] == 30


def test_a_digest_has_64_lower_case_hex_digits() -> None:
    assert is_sha256("0a" * 32)
    assert not is_sha256("0A" * 32)
    assert not is_sha256("0a" * 31)
    assert not is_sha256("0a" * 32 + "\n")


def test_results_only() -> None:
    assert is_result_key("acme", "tenant/acme/results/job_1/result_0.png")
    assert not is_result_key("acme", "tenant/acme/inputs/upl_1.jpg")
    assert is_result_key("acme", "tenant/acme/results/job_1/result_7.json")
    assert not is_result_key("acme", "tenant/other/results/job_1/result_7.json")
