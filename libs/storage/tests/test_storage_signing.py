"""Signed URLs are those that botocore makes, for whatever is asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from closet_storage.signing import MAX_EXPIRES_S, Signer, put_headers
from hypothesis import given, settings
from hypothesis import strategies as st

ACCESS_KEY, SECRET_KEY, REGION, BUCKET = "AKIA/+=EXAMPLE", "wJalr/XUtn+FEMI=K7MDENG", "eu-central-1", "closet-media"
ENDPOINT = "http://127.0.0.1:8333"
NOW = datetime(2026, 9, 22, 12, 0, 59, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
latin = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
tokens = st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True)
lifetimes = st.integers(1, MAX_EXPIRES_S)
moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis wants its bounds naive
    datetime(2099, 12, 31),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
overrides = st.dictionaries(
    st.sampled_from(["Content-Type", "Content-Disposition", "Cache-Control", "Content-Language", "Content-Encoding"]),
    texts,
)


def signer(endpoint: str = ENDPOINT, *, path_style: bool = True) -> Signer:
    return Signer(endpoint, REGION, BUCKET, ACCESS_KEY, SECRET_KEY, path_style)


@cache  # a client takes a good part of a second to make
def client(endpoint: str, style: str) -> Any:
    session = botocore.session.Session()
    session.set_credentials(ACCESS_KEY, SECRET_KEY)
    options: Any = {"signature_version": "s3v4", "s3": {"addressing_style": style}}
    config = Config(request_checksum_calculation="when_required", **options)
    return session.create_client("s3", REGION, endpoint_url=endpoint, config=config)


def at(now: datetime) -> Any:
    return patch("botocore.auth.get_current_datetime", lambda: now.replace(tzinfo=None))


def presigned(method: str, params: dict[str, Any], expires_s: int, now: datetime, endpoint: str = ENDPOINT) -> Any:
    style = "path" if endpoint == ENDPOINT else "virtual"
    given_params = {"Bucket": BUCKET, **{name: value for name, value in params.items() if value is not None}}
    with at(now):
        return parts(client(endpoint, style).generate_presigned_url(method, Params=given_params, ExpiresIn=expires_s))


def parts(url: str) -> tuple[str, str, str, dict[str, list[str]]]:
    split = urlsplit(url)
    return split.scheme, split.netloc, split.path, parse_qs(split.query, keep_blank_values=True, strict_parsing=True)


@settings(max_examples=300)
@given(
    key=texts,
    now=moments,
    expires_s=lifetimes,
    content_type=latin,
    size=st.integers(1, 10**12),
    digest=st.none() | st.binary(min_size=32, max_size=32),
    sse=st.sampled_from(["", "AES256"]),
)
def test_a_put_is_signed_as_botocore_signs_it(
    key: str, now: datetime, expires_s: int, content_type: str, size: int, digest: bytes | None, sse: str
) -> None:
    headers = put_headers(content_type, size=size, sha256_hex=digest.hex() if digest else None, sse=sse)
    params = {
        "Key": key,
        "ContentType": content_type,
        "ContentLength": size,
        "ServerSideEncryption": sse or None,
        "ChecksumSHA256": headers.get("x-amz-checksum-sha256"),
    }
    url, to_send = signer().put_url(key, headers, expires_s, now)
    assert parts(url) == presigned("put_object", params, expires_s, now)
    assert to_send == headers


@settings(max_examples=300)
@given(key=texts, now=moments, expires_s=lifetimes, response=overrides)
def test_a_get_is_signed_as_botocore_signs_it(
    key: str, now: datetime, expires_s: int, response: dict[str, str]
) -> None:
    params = {"Key": key, **{f"Response{name.replace('-', '')}": value for name, value in response.items()}}
    url = signer().get_url(key, expires_s, {f"response-{name.lower()}": value for name, value in response.items()}, now)
    assert parts(url) == presigned("get_object", params, expires_s, now)


@settings(max_examples=200)
@given(headers=st.dictionaries(st.builds("x-amz-meta-{}".format, tokens), latin, max_size=5), now=moments)
def test_any_header_is_bound_as_botocore_binds_it(headers: dict[str, str], now: datetime) -> None:
    url, _ = signer().put_url("key", headers, 600, now)
    request = AWSRequest("PUT", f"{ENDPOINT}/{BUCKET}/key", headers={name.lower(): v for name, v in headers.items()})
    with at(now):
        S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION, expires=600).add_auth(request)
    assert parts(url) == parts(str(request.url))


@pytest.mark.parametrize("method", ["head_object", "delete_object"])
def test_looking_and_deleting_too(method: str) -> None:
    sign = signer().head_url if method == "head_object" else signer().delete_url
    assert parts(sign("tenant/a b/ü", 60, NOW)) == presigned(method, {"Key": "tenant/a b/ü"}, 60, NOW)


@pytest.mark.parametrize(
    "endpoint", ["https://s3.example.com", "https://s3.example.com:443", "http://s3.example.com:9000"]
)
def test_virtual_hosts(endpoint: str) -> None:
    url = signer(endpoint, path_style=False).get_url("a/b", 60, now=NOW)
    theirs = presigned("get_object", {"Key": "a/b"}, 60, NOW, endpoint)
    # A default port is never signed; we do not name it either.
    assert parts(url) == (theirs[0], theirs[1].removesuffix(":443"), *theirs[2:])


@pytest.mark.parametrize("endpoint", ["http://[::1]:8333", "https://HOST.example.com:443/", "http://host/s3"])
def test_odd_endpoints(endpoint: str) -> None:
    request = AWSRequest("GET", f"{endpoint.rstrip('/')}/{BUCKET}/key")
    with at(NOW):
        S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION, expires=60).add_auth(request)
    ours, theirs = parts(signer(endpoint).get_url("key", 60, now=NOW)), parts(str(request.url))
    assert ours[2:] == theirs[2:]


def test_the_day_changes_the_key() -> None:
    one, same, other = (
        parts(signer().get_url("key", 60, now=now))[3]["X-Amz-Signature"] for now in (NOW, NOW, NOW.replace(day=23))
    )
    assert one == same != other


@pytest.mark.parametrize("expires_s", [0, -1, MAX_EXPIRES_S + 1])
def test_a_lifetime_that_s3_would_refuse_is_refused_here(expires_s: int) -> None:
    with pytest.raises(ValueError, match="lives from 1 to"):
        signer().get_url("key", expires_s)


@pytest.mark.parametrize(
    "call",
    [
        lambda: signer().get_url("", 60),
        lambda: signer().get_url("key", 60, {"X-Amz-Expires": "99999"}),
        lambda: signer().get_url("key", 60, {"versionId": "1"}),
    ],
)
def test_what_is_not_one_object_or_an_override_is_refused(call: Callable[[], str]) -> None:
    with pytest.raises(ValueError, match=r"cannot be empty|not an override"):
        call()


def test_the_secret_is_not_shown() -> None:
    assert SECRET_KEY not in repr(signer())
