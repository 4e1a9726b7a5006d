"""JSON of strangers: whatever PostgreSQL or our own code would stumble over is no JSON."""

import pytest
from closet_chassis.json_text import parse_json


@pytest.mark.parametrize("numbers_as_text", [False, True])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no json",
        b"\xff\xfe",
        b"NaN",
        b'{"a": Infinity}',
        b"[1e999]",
        b'{"a": "\\u0000"}',
        b'{"a\\\\\\u0000": 1}',
        b'["\\ud800"]',
        b"[" * 65 + b"]" * 65,
        b"[" * 2000 + b"]" * 2000,
        b'{"a":' * 100_000,
    ],
)
def test_what_cannot_be_stored_is_refused(raw: bytes, numbers_as_text: bool) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_json(raw, numbers_as_text=numbers_as_text)


def test_the_text_of_an_escape_is_no_nul() -> None:
    assert parse_json(b'["\\\\u0000"]') == ["\\u0000"]


def test_what_is_nested_a_little_is_fine() -> None:
    assert parse_json(b"[" * 60 + b"]" * 60)


def test_numbers_keep_their_digits_as_text() -> None:
    raw = b'{"id": 918273645546372819001, "x": 1.50}'
    assert parse_json(raw, numbers_as_text=True) == {"id": "918273645546372819001", "x": "1.50"}
