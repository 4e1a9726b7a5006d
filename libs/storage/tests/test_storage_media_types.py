"""Media types, compared as RFC 9110 says."""

import pytest
from closet_storage.media_types import canonical


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("image/jpeg", "image/jpeg"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("image/jpg", "image/jpeg"),
        ("Image/PJpeg", "image/jpeg"),
        ("image/x-png", "image/png"),
        ("image/jpeg; charset=binary", "image/jpeg"),
        (' image/webp ; q="a;\\"b" ;; x=y;', "image/webp"),
        ("text/html", "text/html"),
    ],
)
def test_case_parameters_and_old_names_do_not_matter(named: str, meant: str) -> None:
    assert canonical(named) == meant


@pytest.mark.parametrize(
    "named",
    ["", "image", "image/", "/jpeg", "image/jpeg/x", "image/jpeg x", "image/jpeg;a", "image/jp\r\neg", "bild/ü"],
)
def test_what_is_no_media_type_is_none(named: str) -> None:
    assert canonical(named) is None
