import pytest
from closet_chassis.redaction import MAX_TEXT, REDACTED, is_secret, redact, redact_text

SIGNED = "https://s3.example/closet-media/tenant/a/x?X-Amz-Credential=AKIA/2026&X-Amz-Signature=0badc0de"


@pytest.mark.parametrize(
    ("text", "leak"),
    [
        (f"GET {SIGNED} failed", "0badc0de"),
        ("cannot reach nats://svc:hunter2@bus:4222", "hunter2"),
        ("https://shop.example/cb#access_token=abc123", "abc123"),
        ("/media/x?X-Amz-Signature=0badc0de&b=1", "0badc0de"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("got eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1In0.c2ln today", "eyJzdWIiOiJ1In0"),
        ("no account for ada.lovelace@example.co.uk here", "ada.lovelace"),
        ("prompt\n  Input should be short [type=x, input_value='a red dress', input_type=str]", "red dress"),
        ("DataError: invalid input for query argument $4: {'prompt': 'a red dress'} (not JSON)", "red dress"),
        ('invalid input syntax for type bigint: "cursor-of-ada"', "ada"),
        ('invalid input value for enum mood: "ada"', "ada"),
        ('value "4111111111111111" is out of range for type integer', "4111"),
        ('date/time field value out of range: "ada 9999"', "ada"),
        ("duplicate key value\nDETAIL:  Key (who)=(Ada Lovelace) already exists.", "Lovelace"),
    ],
)
def test_a_text_loses_what_must_not_be_logged(text: str, leak: str) -> None:
    assert leak not in redact_text(text)
    assert REDACTED in redact_text(text)


def test_what_an_engineer_needs_stays() -> None:
    assert redact_text(SIGNED) == f"https://s3.example/closet-media/tenant/a/x?{REDACTED}"
    for text in ("job_0198 failed after 3 tries", "tenant/abc/results/job_1/result_0.png", "see https://x.example/y"):
        assert redact_text(text) == text


@pytest.mark.parametrize(
    "key",
    ["email", "userEmail", "PASSWORD", "x-api-key", "api_key", "device_token", "prompt", "negativePrompt", "filename"],
)
def test_fields_are_known_by_how_their_names_end(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", ["event", "tenant", "job_id", "token_count", "key", "name", "status"])
def test_other_fields_stay(key: str) -> None:
    assert not is_secret(key)


def test_nested_values_are_searched_and_bytes_never_shown() -> None:
    value = {
        "request": {"headers": [{"Authorization": "Bearer x"}, {"Accept": "*/*"}], "body": b"\xff\xd8secret"},
        "n": 1,
    }
    assert redact(value) == {
        "request": {"headers": [{"Authorization": REDACTED}, {"Accept": "*/*"}], "body": "<8 bytes>"},
        "n": 1,
    }


def test_a_value_that_holds_itself_ends() -> None:
    value: dict[str, object] = {}
    value["again"] = value
    assert REDACTED in str(redact(value))


def test_a_long_text_is_cut_and_costs_little_even_when_hostile() -> None:
    for hostile in ("a" * 10**6, "a." * 10**6, "a@" * 10**6, "http://" * 10**5, "eyJ" * 10**6):
        assert len(redact_text(hostile)) < 10 * MAX_TEXT
