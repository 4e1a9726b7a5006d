"""Objects on a real S3 server: what a signed URL allows, and what it does not."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from closet_contracts.ids import new_id
from closet_storage import admin, objects
from closet_storage.access import Access, StorageSettings
from closet_storage.admin import delete_prefix, ensure_bucket
from closet_storage.keys import input_key, upload_key
from closet_storage.objects import (
    NotFound,
    ObjectStore,
    StorageError,
    StorageRefused,
    StorageUnavailable,
    TooLarge,
    open_store,
)
from closet_storage.signing import TAGGING, UPLOAD_TAG, Signer, put_headers
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from yarl import URL

BODY = b"not really a picture"


def signer_of(access: Access) -> Signer:
    return Signer(access.endpoint, access.region, access.bucket, access.access_key, access.secret_key)


@pytest.fixture
def tenant() -> str:
    return new_id("t").replace("_", "-")


@pytest.fixture
def key(tenant: str) -> str:
    return upload_key(tenant, new_id("upl"))


@pytest.fixture
def signer(s3_server: Any) -> Signer:
    """As the service that signs uploads."""
    return signer_of(s3_server.access("upload-signer"))


@pytest.fixture
async def store(signer: Signer) -> AsyncIterator[ObjectStore]:
    async with open_store(signer, "AES256") as store:
        yield store


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def send(
    http: aiohttp.ClientSession, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> int:
    async with http.request(
        method, URL(url, encoded=True), headers=headers, data=body or None, skip_auto_headers=["Content-Type"]
    ) as response:
        await response.read()
        return response.status


async def test_the_signed_headers_and_only_they_let_the_bytes_in(
    http: aiohttp.ClientSession, signer: Signer, store: ObjectStore, key: str
) -> None:
    url, headers = signer.put_url(key, put_headers("image/jpeg", size=len(BODY), sse="AES256"), 60)
    refused = [
        ({**headers, "Content-Type": "text/html"}, BODY),
        ({"Content-Type": "image/jpeg", "x-amz-server-side-encryption": "AES256"}, BODY + b"!"),
        ({"Content-Type": "image/jpeg"}, BODY),
        ({**headers, "x-amz-acl": "public-read"}, BODY),
        ({**headers, "x-amz-copy-source": "/closet-media/other"}, BODY),
    ]
    assert [await send(http, "PUT", url, h, body) for h, body in refused] == [403] * len(refused)
    assert await store.head(key) is None
    assert await send(http, "PUT", url, headers, BODY) == 200
    info = await store.head(key)
    assert info is not None
    assert (info.size, info.content_type, info.encryption) == (len(BODY), "image/jpeg", "AES256")


async def test_a_named_digest_is_held_against_the_bytes(
    http: aiohttp.ClientSession, signer: Signer, store: ObjectStore, key: str
) -> None:
    url, headers = signer.put_url(
        key, put_headers("image/jpeg", size=len(BODY), sha256_hex=sha256(BODY).hexdigest()), 60
    )
    assert await send(http, "PUT", url, headers, BODY[::-1]) == 400
    assert await store.head(key) is None
    assert await send(http, "PUT", url, headers, BODY) == 200


async def test_a_url_opens_one_thing_for_a_while(
    http: aiohttp.ClientSession, signer: Signer, store: ObjectStore, key: str
) -> None:
    await store.put(key, BODY, "image/jpeg")
    url = signer.get_url(key, 60)
    past = datetime.now(UTC) - timedelta(seconds=90)
    assert await send(http, "GET", url) == 200
    assert await send(http, "GET", url.replace(key, key[:-1] + "_")) == 403
    assert await send(http, "GET", url[:-1] + ("1" if url.endswith("0") else "0")) == 403
    assert await send(http, "GET", url.replace("Expires=60", "Expires=6000")) == 403
    assert await send(http, "GET", signer.get_url(key, 60, now=past)) == 403
    assert await send(http, "PUT", url, body=b"other bytes") == 403
    assert await send(http, "DELETE", url) == 403
    assert await store.get(key, 100) == BODY


async def test_the_answer_s_headers_can_be_chosen(
    http: aiohttp.ClientSession, signer: Signer, store: ObjectStore, key: str
) -> None:
    await store.put(key, BODY, "image/jpeg")
    wanted = {"response-content-disposition": 'attachment; filename="a b+ü.jpg"', "response-cache-control": "private"}
    async with http.get(URL(signer.get_url(key, 60, wanted), encoded=True)) as response:
        assert response.headers["Cache-Control"] == "private"
        assert response.headers["Content-Disposition"].startswith("attachment")


async def test_each_identity_stays_within_its_prefixes(s3_server: Any, store: ObjectStore, tenant: str) -> None:
    upload = new_id("upl")
    await store.put(input_key(tenant, upload, "jpg"), BODY, "image/jpeg")
    async with open_store(signer_of(s3_server.access("perfect-adapter"))) as other:
        assert await other.get(input_key(tenant, upload, "jpg"), 100) == BODY
        with pytest.raises(StorageRefused):
            await other.put(upload_key(tenant, upload), BODY, "image/jpeg")
        with pytest.raises(StorageRefused):
            await other.delete(input_key(tenant, upload, "jpg"))
    with pytest.raises(StorageRefused):
        await store.get("elsewhere/x", 100)


async def test_odd_keys_come_back_as_they_went(s3: Access, tenant: str) -> None:
    async with open_store(signer_of(s3)) as store:
        for name in ("a b+c&d=e?f#g%h~", "ü/'(x)*!;,:@$", "a//b"):
            await store.put(f"odd/{tenant}/{name}", name.encode(), "text/plain")
            assert await store.get(f"odd/{tenant}/{name}", 100) == name.encode()


async def test_a_larger_object_is_not_read(store: ObjectStore, key: str) -> None:
    await store.put(key, BODY, "image/jpeg")
    with pytest.raises(TooLarge):
        await store.get(key, len(BODY) - 1)


async def test_what_was_stored_as_gzip_does_not_grow(
    http: aiohttp.ClientSession, signer: Signer, store: ObjectStore, key: str
) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    url, headers = signer.put_url(key, put_headers("image/jpeg", size=len(bomb)), 60)
    assert await send(http, "PUT", url, {**headers, "Content-Encoding": "gzip"}, bomb) == 200
    assert await store.get(key, 10_000) == bomb


async def test_an_absent_object(store: ObjectStore, key: str) -> None:
    assert await store.head(key) is None
    await store.delete(key)
    with pytest.raises(NotFound):
        await store.get(key, 100)


async def test_a_prefix_goes_with_all_below_it_and_nothing_beside_it(s3: Access, tenant: str) -> None:
    async with open_store(signer_of(s3)) as store:
        for i in range(5):
            await store.put(f"tenant/{tenant}/uploads/{i}", BODY, "image/jpeg")
        await store.put(f"tenant/{tenant}-2/uploads/0", BODY, "image/jpeg")
        assert await delete_prefix(s3, f"tenant/{tenant}/") == 5
        assert await delete_prefix(s3, f"tenant/{tenant}/") == 0
        assert await store.head(f"tenant/{tenant}-2/uploads/0") is not None
    with pytest.raises(ValueError, match="ends with a slash"):
        await delete_prefix(s3, f"tenant/{tenant}")


async def test_a_bucket_is_made_once(s3: Access, tenant: str) -> None:
    access = Access(s3.endpoint, s3.region, tenant, s3.access_key, s3.secret_key)
    await ensure_bucket(access)
    await ensure_bucket(access)
    async with open_store(signer_of(access)) as store:
        await store.put("x", BODY, "text/plain")


@pytest.fixture
async def flaky() -> AsyncIterator[tuple[Signer, list[int]]]:
    """A storage that answers what the list says, then 200."""
    answers: list[int] = []

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=answers.pop(0) if answers else 200, body=BODY)

    app = web.Application()
    app.router.add_route("*", "/{key:.*}", answer)
    async with TestServer(app) as server:
        yield Signer(str(server.make_url("")).rstrip("/"), "us-east-1", "b", "key", "hidden"), answers


async def test_a_short_absence_is_bridged(flaky: tuple[Signer, list[int]]) -> None:
    signer, answers = flaky
    answers += [503, 429]
    async with open_store(signer) as store:
        assert await store.get("k", 100) == BODY


async def test_a_long_absence_is_said(flaky: tuple[Signer, list[int]]) -> None:
    signer, answers = flaky
    answers += [500] * 9
    async with open_store(signer) as store:
        with pytest.raises(StorageUnavailable):
            await store.put("k", BODY, "image/png")
    assert len(answers) == 6


@pytest.mark.parametrize("status", [301, 400, 403])
async def test_a_refusal_is_not_asked_twice(flaky: tuple[Signer, list[int]], status: int) -> None:
    signer, answers = flaky
    answers += [status, 200]
    async with open_store(signer) as store:
        with pytest.raises(StorageRefused):
            await store.get("k", 100)
    assert answers == [200]


async def test_nobody_there_says_no_url(unused_tcp_port: int) -> None:
    signer = Signer(f"http://127.0.0.1:{unused_tcp_port}", "us-east-1", "b", "key", "hidden")
    async with open_store(signer) as store:
        with pytest.raises(StorageUnavailable) as caught:
            await store.get("k", 100)
    assert "X-Amz" not in str(caught.value)
    assert isinstance(caught.value, StorageError)


async def test_spans_name_the_object_but_not_the_url(
    flaky: tuple[Signer, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(objects, "_tracer", provider.get_tracer("test"))
    signer, answers = flaky
    answers += [503]
    async with open_store(signer) as store:
        await store.get("k", 100)
    first, second = spans.get_finished_spans()
    assert (first.name, first.status.is_ok, second.status.is_ok) == ("s3 get", False, True)
    assert dict(first.attributes or {}) == {"aws.s3.key": "k", "http.response.status_code": 503}
    assert "X-Amz" not in first.to_json()


@pytest.fixture
async def answering(unused_tcp_port: int) -> AsyncIterator[Callable[[bytes], Awaitable[Signer]]]:
    """A storage that answers with these very bytes, and ends the connection."""
    servers: list[asyncio.Server] = []

    async def start(raw: bytes) -> Signer:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw)
            await writer.drain()
            writer.close()

        servers.append(await asyncio.start_server(answer, "127.0.0.1", unused_tcp_port))
        return Signer(f"http://127.0.0.1:{unused_tcp_port}", "us-east-1", "b", "key", "hidden")

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", StorageUnavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nnever read", TooLarge),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 1001, TooLarge),
        (b"nonsense\r\n\r\n", StorageUnavailable),
    ],
    ids=["breaks off", "says it is too large", "turns out too large", "speaks something else"],
)
async def test_an_answer_that_is_no_object(
    answering: Callable[[bytes], Awaitable[Signer]], raw: bytes, outcome: type[StorageError]
) -> None:
    async with open_store(await answering(raw)) as store:
        with pytest.raises(outcome):
            await store.get("k", 1000)


def test_settings_read_the_environment(s3_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_server.env("upload-signer").items():
        monkeypatch.setenv(name, value)
    for name in ("CLOSET_DATABASE_URL", "CLOSET_NATS_URL"):
        monkeypatch.setenv(name, "unused")
    monkeypatch.setenv("S3_PUBLIC_ENDPOINT", "https://media.example.com")
    settings = StorageSettings()  # type: ignore[call-arg]  # they come from the environment
    assert settings.s3_access() == s3_server.access("upload-signer")
    assert settings.s3_access(public=True).endpoint == "https://media.example.com"
    assert settings.s3_secret_access_key not in repr(settings)


async def test_the_bucket_removes_uploads_by_itself_after_a_day(s3: Access, key: str) -> None:
    access = replace(s3, bucket=f"uploads-{new_id('x')[2:]}")
    await ensure_bucket(access)
    async with admin._client(access) as client:
        other = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 9}}
        (ours,) = (await client.get_bucket_lifecycle_configuration(Bucket=access.bucket))["Rules"]
        await client.put_bucket_lifecycle_configuration(Bucket=access.bucket, LifecycleConfiguration={"Rules": [other]})
        await ensure_bucket(access)
        await ensure_bucket(access)
        rules = (await client.get_bucket_lifecycle_configuration(Bucket=access.bucket))["Rules"]
        assert {rule["ID"]: rule["Expiration"]["Days"] for rule in rules} == {"theirs": 9, "closet-uploads": 1}
        # It is for what was put with the tag, and for nothing else.
        tag = ours["Filter"]["Tag"]
        async with open_store(signer_of(access)) as store:
            await store.put(f"{key}-2", BODY, "image/jpeg")
        headers = {**put_headers("image/jpeg", size=len(BODY)), TAGGING: UPLOAD_TAG}
        url, headers = signer_of(access).put_url(key, headers, 60)
        async with aiohttp.ClientSession() as session:
            assert await send(session, "PUT", url, put_headers("image/jpeg", size=len(BODY)), BODY) == 403
            assert await send(session, "PUT", url, headers, BODY) == 200
        tags = [
            (await client.get_object_tagging(Bucket=access.bucket, Key=each))["TagSet"] for each in (key, f"{key}-2")
        ]
        assert tags == [[tag], []]


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (405, "MethodNotAllowed")])
async def test_a_server_without_such_rules_still_gets_its_bucket(status: int, code: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        if "lifecycle" not in request.query:
            return web.Response()
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
        return web.Response(status=status, text=body, content_type="application/xml")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        await ensure_bucket(Access(str(server.make_url("")).rstrip("/"), "us-east-1", "b", "k", "s"))
