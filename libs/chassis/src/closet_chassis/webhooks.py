"""Webhooks: the one way in which messages of third parties come in: bounded, verified, stored, answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from aiohttp import web
from prometheus_client import Counter

from closet_chassis.batching import Batcher
from closet_chassis.http import read_body, reply
from closet_chassis.problems import Problem

log = structlog.get_logger(__name__)

W = TypeVar("W")


class InvalidSignature(Exception):
    """The message is not signed by its sender, or was signed too long ago or in the future."""


class MalformedWebhook(Exception):
    """The message is signed by its sender, and is not of a shape that we know; the text says why."""


@dataclass(frozen=True, kw_only=True)
class WebhookEndpoint(Generic[W]):
    """Takes one sender's webhooks. A message is answered 200 when it is stored, so that the sender stops repeating it.

    Args:
        sender: the name of the sender, for logs and problems.
        path: where its messages come in.
        verify: returns the message in the raw bytes and the headers of a request; raises `InvalidSignature` or
            `MalformedWebhook`.
        store: keeps a message; returns False for one that is known.
        received: a counter with the label `outcome`: `stored`, `known`, `invalid_signature` or `malformed`.
        max_bytes: the largest body taken.
        content_type: the only media type taken; None takes any.
    """

    sender: str
    path: str
    verify: Callable[[bytes, Mapping[str, str]], W]
    store: Batcher[W, bool]
    received: Counter
    max_bytes: int
    content_type: str | None = None

    def add_to(self, app: web.Application) -> None:
        """Add the route to an application of `make_http_app`."""
        app.router.add_post(self.path, self.receive)

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one request.

        Raises:
            Problem: 415 `unsupported_media_type`, 413 `body_too_large`, 400 `invalid_signature`,
                400 `malformed_webhook`, and whatever `read_body` raises.
        """
        if self.content_type is not None and request.content_type != self.content_type:
            raise Problem(415, "unsupported_media_type", f"A webhook of {self.sender} is {self.content_type}.")
        message = self._verified(await read_body(request, self.max_bytes), request.headers)
        is_new = await self.store.submit(message)
        self.received.labels("stored" if is_new else "known").inc()
        return reply({"received": True})

    def _verified(self, raw: bytes, headers: Mapping[str, str]) -> W:
        try:
            return self.verify(raw, headers)
        except InvalidSignature:
            self.received.labels("invalid_signature").inc()
            log.warning("webhook_signature_invalid", sender=self.sender)
            raise Problem(400, "invalid_signature", "The signature does not fit the message, or is too old.") from None
        except MalformedWebhook as error:
            self.received.labels("malformed").inc()
            # No stack is needed to see what came.
            log.error("webhook_malformed", sender=self.sender, reason=str(error))  # noqa: TRY400
            raise Problem(400, "malformed_webhook", "The message is not one that this address knows.") from None
