"""What goes over the wire, against a server that answers anything; and where results may come from."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from closet_contracts.work import Category, Role, TryOn
from closet_devstack.ports import free_port
from perfect_adapter.vendor.answers import (
    Created,
    CreateRequest,
    DownloadFailed,
    DownloadRefused,
    Failed,
    NoAnswer,
    NotMade,
    Refused,
    Running,
    Succeeded,
    Throttled,
    Unreachable,
)
from perfect_adapter.vendor.bodies import Reference
from perfect_adapter.vendor.classic import ClassicProfile
from perfect_adapter.vendor.client import VendorClient
from perfect_adapter.vendor.downloads import (
    MAX_RESULT_BYTES,
    AllowedHosts,
    PublicResolver,
    ResultDownloader,
    open_storage_session,
)
from perfect_adapter.vendor.features import FEATURES
from perfect_adapter.vendor.keys import ApiKey
from perfect_adapter.vendor.leases import Lease
from perfect_adapter.vendor.transport import Transport
from perfect_adapter.vendor.uploads import InputUploader

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
INPUTS = {Role.PERSON: Reference("url", "http://s3/person"), Role.GARMENT: Reference("url", "http://s3/garment")}
KEY, TRY_ON = ApiKey("the-key"), FEATURES["tryon-v4"]


@dataclass
class Anybody:
    """A server that answers what it is told to, and remembers what it was asked."""

    url: str
    answer: Answer | None = None
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.raw_path, dict(request.headers), body))
        assert self.answer is not None
        return await self.answer(request)

    def says(self, text: str, status: int = 200) -> None:
        async def answer(_request: web.Request) -> web.Response:
            return web.Response(text=text, status=status, content_type="application/json")

        self.answer = answer


@pytest.fixture
async def anybody() -> AsyncIterator[Anybody]:
    port = free_port()
    server = Anybody(f"http://127.0.0.1:{port}")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield server
    await runner.cleanup()


@pytest.fixture
async def downloads(anybody: Anybody) -> AsyncIterator[ResultDownloader]:
    async with aiohttp.ClientSession() as session:
        yield ResultDownloader(session, _only(anybody.url))


def _only(url: str) -> AllowedHosts:
    return AllowedHosts(frozenset({url.removeprefix("http://")}), insecure=True)


def vendor(session: aiohttp.ClientSession, base: str, downloads: ResultDownloader) -> VendorClient:
    caller = Transport(session, base, 2)
    return VendorClient(caller, ClassicProfile(caller), downloads, InputUploader(session, _only(base.rstrip("/"))))


@pytest.fixture
async def perfect(anybody: Anybody, downloads: ResultDownloader) -> AsyncIterator[VendorClient]:
    async with aiohttp.ClientSession() as session:
        yield vendor(session, anybody.url + "/", downloads)


def order(task: TryOn, lease_s: float = 60) -> CreateRequest:
    return CreateRequest(TRY_ON, task, INPUTS, Lease.from_now(lease_s))


async def test_an_order_whose_lease_has_expired_never_leaves(anybody: Anybody, perfect: VendorClient) -> None:
    """Nothing of it, not even its headers; the next one leaves as ever."""
    anybody.says('{"status": 200, "data": {"task_id": "1"}}')
    assert isinstance(await perfect.create(KEY, order(TryOn(), lease_s=0)), NotMade)
    assert anybody.asked == []
    assert await perfect.create(KEY, order(TryOn())) == Created("1")
    assert len(anybody.asked) == 1


async def test_a_task_is_ordered_by_one_post(anybody: Anybody, perfect: VendorClient) -> None:
    anybody.says('{"status": 200, "data": {"task_id": "a/b+c=="}}')
    assert await perfect.create(KEY, order(TryOn(category=Category.OUTERWEAR))) == Created("a/b+c==")
    [(method, path, headers, body)] = anybody.asked
    assert (method, path) == ("POST", "/s2s/v2.0/task/cloth-v4")
    assert headers["Authorization"] == "Bearer the-key"
    assert body == {
        "src_file_url": "http://s3/person",
        "ref_file_url": "http://s3/garment",
        "garment_category": "outer",
    }


@pytest.mark.parametrize(
    ("category", "garment"),
    [
        (Category.TOP, "upper_body"),
        (Category.BOTTOM, "lower_body"),
        (Category.DRESS, "full_body"),
        (Category.SHOES, "shoes"),
        (Category.AUTO, "auto"),
    ],
)
async def test_categories(anybody: Anybody, perfect: VendorClient, category: Category, garment: str) -> None:
    anybody.says('{"data": {"task_id": "1"}}')
    await perfect.create(KEY, order(TryOn(category=category)))
    body = anybody.asked[0][3]
    assert body["garment_category"] == garment
    assert body.get("change_shoes") == (False if garment in {"lower_body", "full_body"} else None)


async def test_an_id_is_text_to_the_last_digit_and_encoded_in_the_path(anybody: Anybody, perfect: VendorClient) -> None:
    anybody.says('{"data": {"task_id": 918273645546372819001}}')
    assert await perfect.create(KEY, order(TryOn())) == Created("918273645546372819001")
    anybody.says('{"data": {"task_status": "running", "polling_interval": 7}}')
    assert await perfect.get_task(KEY, TRY_ON, "a/b+c==") == Running(7.0)
    assert anybody.asked[1][:2] == ("GET", "/s2s/v2.0/task/cloth-v4/a%2Fb%2Bc%3D%3D")


@pytest.mark.parametrize(
    ("text", "status", "answer"),
    [
        ('{"error": "Too many requests"}', 429, Throttled()),
        ('{"error_code": "InvalidParameters"}', 400, Refused(400, "InvalidParameters")),
        ("<html>", 404, Refused(404, None)),
        ("[]", 403, Refused(403, None)),
        ('{"error_code": "TaskTimeout"}', 500, NoAnswer("HTTP 500 without a task")),
        ("", 408, NoAnswer("HTTP 408 without a task")),
        ("", 302, NoAnswer("HTTP 302 without a task")),
        ("no json", 200, NoAnswer("HTTP 200 without a task")),
        ('{"data": []}', 200, NoAnswer("HTTP 200 without a task")),
        ('{"data": {"task_id": ""}}', 200, NoAnswer("HTTP 200 without a task")),
    ],
)
async def test_only_a_definite_no_means_that_nothing_was_created(
    anybody: Anybody, perfect: VendorClient, text: str, status: int, answer: object
) -> None:
    anybody.says(text, status)
    assert await perfect.create(KEY, order(TryOn())) == answer
    assert len(anybody.asked) == 1


async def test_a_connection_that_is_refused_created_nothing(downloads: ResultDownloader) -> None:
    async with aiohttp.ClientSession() as session:
        perfect = vendor(session, f"http://127.0.0.1:{free_port()}", downloads)
        assert isinstance(await perfect.create(KEY, order(TryOn())), Unreachable)
        assert isinstance(await perfect.get_task(KEY, TRY_ON, "1"), Unreachable)
        nowhere = vendor(session, "http://nowhere.invalid", downloads)
        assert isinstance(await nowhere.create(KEY, order(TryOn())), Unreachable)


@pytest.mark.parametrize(
    ("data", "look"),
    [
        ('{"task_status": "success", "results": {"url": "u"}}', Succeeded(("u",))),
        ('{"task_status": "success", "results": [{"url": "u"}, {"url": "v"}]}', Succeeded(("u", "v"))),
        ('{"task_status": "success", "results": {"url": [{"url": "u"}, "v"]}}', Succeeded(("u", "v"))),
        ('{"task_status": "success", "results": null}', Succeeded(())),
        ('{"task_status": "success", "results": {"url": 5}}', Succeeded(("5",))),
        ('{"task_status": "error", "error": "error_pose"}', Failed("error_pose")),
        ('{"task_status": "error", "error": null}', Failed("")),
        ('{"task_status": "running", "polling_interval": -1}', Running(0.0)),
        ('{"task_status": "running", "polling_interval": "x"}', Running(0.0)),
        ('{"task_status": "running", "polling_interval": 1e99}', Running(0.0)),
        ('{"task_status": "dreaming"}', NoAnswer("no task_status that we know")),
        ('"nothing"', NoAnswer("no task_status that we know")),
    ],
)
async def test_what_a_poll_may_see(anybody: Anybody, perfect: VendorClient, data: str, look: object) -> None:
    anybody.says(f'{{"status": 200, "data": {data}}}')
    assert await perfect.get_task(KEY, TRY_ON, "1") == look


async def test_a_result_is_fetched_without_the_key(anybody: Anybody, perfect: VendorClient) -> None:
    anybody.says("a picture")
    assert await perfect.download(f"{anybody.url}/r.jpg?Signature=a%2Fb") == b"a picture"
    [(_, path, headers, _)] = anybody.asked
    assert path == "/r.jpg?Signature=a%2Fb"
    assert "Authorization" not in headers


@pytest.mark.parametrize("status", [301, 302, 403, 404, 206, 500])
async def test_anything_but_200_is_no_result(anybody: Anybody, downloads: ResultDownloader, status: int) -> None:
    async def elsewhere(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{anybody.url}/other"})

    anybody.answer = elsewhere
    with pytest.raises(DownloadFailed):
        await downloads.fetch(f"{anybody.url}/r.jpg")
    assert {path for _, path, _, _ in anybody.asked} == {"/r.jpg"}


async def test_no_more_is_read_than_a_result_may_have(anybody: Anybody, downloads: ResultDownloader) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(2 * MAX_RESULT_BYTES >> 20):
                await response.write(bytes(1 << 20))
        except ConnectionError:
            pass
        return response

    anybody.answer = endless
    with pytest.raises(DownloadRefused):
        await downloads.fetch(f"{anybody.url}/r.jpg")


async def test_what_says_that_it_is_too_large_is_not_read(anybody: Anybody, downloads: ResultDownloader) -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(MAX_RESULT_BYTES + 1)})
        await response.prepare(request)
        return response

    anybody.answer = large
    with pytest.raises(DownloadRefused):
        await downloads.fetch(f"{anybody.url}/r.jpg")


async def test_a_server_that_hangs_up_is_no_result(anybody: Anybody, downloads: ResultDownloader) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    anybody.answer = hang_up
    with pytest.raises(DownloadFailed):
        await downloads.fetch(f"{anybody.url}/r.jpg")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://{host}0/r.jpg",
        "http://user@{host}/r.jpg",
        "http://{host}@evil.example/r.jpg",
        "ftp://{host}/r.jpg",
        "file:///etc/passwd",
        "//{host}/r.jpg",
        "r.jpg",
        "",
        "http://127.0.0.1:x/",
        "http://{host}\\@evil.example/r.jpg",
        "http://[::1/r.jpg",
    ],
)
async def test_nothing_is_fetched_from_elsewhere(anybody: Anybody, downloads: ResultDownloader, url: str) -> None:
    with pytest.raises(DownloadRefused):
        await downloads.fetch(url.format(host=anybody.url.removeprefix("http://")))
    assert anybody.asked == []


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://vendor.example/r.jpg", True),
        ("https://vendor.example:443/r.jpg", True),
        ("https://vendor.example:8443/r.jpg", False),
        ("http://vendor.example/r.jpg", False),
        ("https://cdn.store.example/r.jpg", True),
        ("https://store.example/r.jpg", False),
        ("https://evilstore.example/r.jpg", False),
        ("https://VENDOR.example/r.jpg", True),
    ],
)
async def test_hosts_are_named_exactly_or_by_what_they_are_below(url: str, allowed: bool) -> None:
    hosts = AllowedHosts(frozenset({"vendor.example:443", ".store.example"}), insecure=False)
    if allowed:
        assert hosts.check(url).host in {"vendor.example", "cdn.store.example"}
    else:
        with pytest.raises(DownloadRefused):
            hosts.check(url)


async def test_a_name_that_leads_into_our_own_network_is_not_followed() -> None:
    async with open_storage_session(public_only=True) as session:
        downloads = ResultDownloader(session, AllowedHosts(frozenset({"localhost"}), insecure=False))
        with pytest.raises(DownloadFailed):
            await downloads.fetch("https://localhost/r.jpg")
    with pytest.raises(OSError, match="no public address"):
        await PublicResolver().resolve("localhost", 443)
