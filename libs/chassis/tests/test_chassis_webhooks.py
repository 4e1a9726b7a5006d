"""The way in for webhooks: bounded, verified on the raw bytes, stored in groups, answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from closet_chassis.batching import Batcher
from closet_chassis.http import make_http_app
from closet_chassis.readiness import Readiness
from closet_chassis.webhooks import InvalidSignature, MalformedWebhook, WebhookEndpoint
from prometheus_client import CollectorRegistry, Counter

PATH = "/webhooks/pets"
Client = TestClient[web.Request, web.Application]
Post = Callable[..., Awaitable[tuple[int, str | None]]]


class Messages:
    """What was stored, group by group; a message that was stored before is known."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.fails = False

    async def keep(self, messages: Sequence[str]) -> list[bool]:
        if self.fails:
            raise ConnectionRefusedError
        await asyncio.sleep(0)
        seen = {message for group in self.groups for message in group}
        self.groups.append(list(messages))
        return [message not in seen for message in messages]


def verify(raw: bytes, headers: Mapping[str, str]) -> str:
    if headers.get("Pet-Signature") != "paw":
        raise InvalidSignature
    if not raw.startswith(b"meow"):
        raise MalformedWebhook("it does not meow")
    return raw.decode()


@pytest.fixture
def messages() -> Messages:
    return Messages()


@pytest.fixture
def received() -> Counter:
    return Counter("pets_total", "Webhooks of pets", ["outcome"], registry=CollectorRegistry())


@pytest.fixture
async def post(messages: Messages, received: Counter) -> AsyncIterator[Post]:
    endpoint = WebhookEndpoint(
        sender="pets",
        path=PATH,
        verify=verify,
        store=Batcher(messages.keep),
        received=received,
        max_bytes=100,
        content_type="text/plain",
    )
    app = make_http_app("svc", Readiness())
    endpoint.add_to(app)
    async with TestClient(TestServer(app)) as client:

        async def send(raw: bytes, signature: str = "paw", kind: str = "text/plain") -> tuple[int, str | None]:
            headers = {"Pet-Signature": signature, "Content-Type": kind}
            response = await client.post(PATH, data=raw, headers=headers)
            return response.status, (await response.json(content_type=None)).get("code")

        yield send


def count(received: Counter, outcome: str) -> float:
    return float(received.labels(outcome)._value.get())


async def test_a_message_is_stored_and_a_repeated_one_is_known(
    post: Post, messages: Messages, received: Counter
) -> None:
    assert [await post(b"meow 1"), await post(b"meow 1")] == [(200, None), (200, None)]
    assert messages.groups == [["meow 1"], ["meow 1"]]
    assert (count(received, "stored"), count(received, "known")) == (1, 1)


async def test_messages_that_come_together_are_stored_together(post: Post, messages: Messages) -> None:
    answers = await asyncio.gather(*(post(b"meow %d" % number) for number in range(20)))
    assert set(answers) == {(200, None)}
    assert len(messages.groups) < 20


@pytest.mark.parametrize(
    ("raw", "signature", "kind", "status", "code", "outcome"),
    [
        (b"meow", "forged", "text/plain", 400, "invalid_signature", "invalid_signature"),
        (b"woof", "paw", "text/plain", 400, "malformed_webhook", "malformed"),
        (b"meow" * 26, "paw", "text/plain", 413, "body_too_large", None),
        (b"meow", "paw", "application/json", 415, "unsupported_media_type", None),
    ],
)
async def test_others_are_refused_counted_and_not_stored(
    post: Post,
    messages: Messages,
    received: Counter,
    raw: bytes,
    signature: str,
    kind: str,
    status: int,
    code: str,
    outcome: str | None,
) -> None:
    assert await post(raw, signature, kind) == (status, code)
    assert messages.groups == []
    assert outcome is None or count(received, outcome) == 1


async def test_a_message_that_cannot_be_stored_is_not_answered_as_received(post: Post, messages: Messages) -> None:
    messages.fails = True
    assert await post(b"meow") == (503, "unavailable")
