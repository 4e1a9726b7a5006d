"""A key says whose an object is, and only keys that we made count."""

from collections.abc import Callable

import pytest
from closet_storage.keys import InvalidKey, belongs_to, input_key, parse_upload_key, result_key, upload_key

UPLOAD = "upl_" + "0123456789abcdef" * 2
JOB = "job_" + "0123456789abcdef" * 2


def test_keys_hold_ids_only() -> None:
    assert upload_key("acme", UPLOAD) == f"tenant/acme/uploads/{UPLOAD}"
    assert input_key("acme", UPLOAD, "jpg") == f"tenant/acme/inputs/{UPLOAD}.jpg"
    assert result_key("acme", JOB, 0, "png") == f"tenant/acme/results/{JOB}/result_0.png"
    assert result_key("acme", JOB, 3, "png", part=2) == f"tenant/acme/results/{JOB}/result_3_2.png"


def test_an_upload_key_names_its_tenant_and_upload() -> None:
    assert parse_upload_key(upload_key("acme", UPLOAD)) == ("acme", UPLOAD)


@pytest.mark.parametrize(
    "key",
    [
        "",
        f"tenant/acme/uploads/{UPLOAD}\n",
        f"tenant/acme/uploads/{UPLOAD}/more",
        f"/tenant/acme/uploads/{UPLOAD}",
        f"tenant/acme/uploads/{UPLOAD.upper()}",
        f"tenant/acme/../other/uploads/{UPLOAD}",
        f"tenant//uploads/{UPLOAD}",
        f"tenant/acme/inputs/{UPLOAD}",
        "tenant/acme/uploads/shirt.jpg",
    ],
)
def test_any_other_key_is_not_an_upload(key: str) -> None:
    with pytest.raises(InvalidKey):
        parse_upload_key(key)


@pytest.mark.parametrize("tenant", ["", "a", "-acme", "Acme", "acme/x", "acme\n", "..", "a" * 64])
def test_a_tenant_that_cannot_be_has_no_keys(tenant: str) -> None:
    with pytest.raises(InvalidKey):
        upload_key(tenant, UPLOAD)


@pytest.mark.parametrize("call", [
    lambda: upload_key("acme", JOB),
    lambda: input_key("acme", UPLOAD, "exe"),
    lambda: input_key("acme", UPLOAD + "\n", "jpg"),
    lambda: result_key("acme", UPLOAD, 0, "jpg"),
    lambda: result_key("acme", JOB, -1, "jpg"),
    lambda: result_key("acme", JOB, 0, "jpg", part=-1),
])  # fmt: skip
def test_parts_that_we_never_made_are_refused(call: Callable[[], str]) -> None:
    with pytest.raises(InvalidKey):
        call()


@pytest.mark.parametrize(
    "key", [upload_key("acme", UPLOAD), result_key("acme", JOB, 3, "webp"), "tenant/acme/products/shirt_001.jpg"]
)
def test_what_lies_below_a_tenant_belongs_to_it_alone(key: str) -> None:
    assert belongs_to(key, "acme")
    assert not belongs_to(key, "acm")
    assert not belongs_to(key, "acme-2")
    assert not belongs_to(key, ".*")


@pytest.mark.parametrize(
    "key",
    [
        "tenant/acme",
        "tenant/acme/",
        "tenant/acme//x",
        "tenant/acme/../other/x",
        "tenant/acme/./x",
        "tenant/acme/.hidden",
        "tenant/acme/a b",
        "tenant/acme/a%2e%2e/x",
        "tenant/acme/x\n",
        "xtenant/acme/x",
    ],
)
def test_a_malformed_key_belongs_to_nobody(key: str) -> None:
    assert not belongs_to(key, "acme")


def test_no_two_results_of_a_job_have_one_key() -> None:
    keys = [result_key("acme", JOB, item, "png", part) for item in range(50) for part in range(61)]
    assert len(set(keys)) == len(keys)
    assert all(belongs_to(key, "acme") for key in keys)
