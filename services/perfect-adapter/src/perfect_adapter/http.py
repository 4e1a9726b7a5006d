"""The webhook by which the vendor tells that a task has ended."""

import structlog
from aiohttp import web
from closet_chassis.batching import Batcher
from closet_chassis.http import read_body, reply
from closet_chassis.problems import Problem
from prometheus_client import Counter

from perfect_adapter.vendor.signatures import InvalidSignature, MalformedWebhook, VendorWebhook, WebhookVerifier

log = structlog.get_logger(__name__)

PATH = "/webhooks/perfect"
MAX_BYTES = 64 * 1024

RECEIVED = Counter("closet_vendor_webhooks_total", "Webhooks received from the vendor", ["outcome"])


def add_routes(app: web.Application, verifier: WebhookVerifier, batcher: Batcher[VendorWebhook, None]) -> None:
    """Add the route of webhooks: verified on the raw bytes, stored, answered."""

    async def receive(request: web.Request) -> web.Response:
        raw = await read_body(request, MAX_BYTES)
        webhook = _verify(verifier, raw, request)
        await batcher.submit(webhook)
        RECEIVED.labels("stored").inc()
        return reply({"received": True})

    app.router.add_post(PATH, receive)


def _verify(verifier: WebhookVerifier, raw: bytes, request: web.Request) -> VendorWebhook:
    try:
        return verifier.verify(raw, request.headers)
    except InvalidSignature:
        RECEIVED.labels("invalid_signature").inc()
        log.warning("webhook_signature_invalid")
        raise Problem(400, "invalid_signature", "The signature does not fit the message, or is too old.") from None
    except MalformedWebhook as error:
        RECEIVED.labels("malformed").inc()
        log.error("webhook_malformed", reason=str(error))  # noqa: TRY400 no stack is needed to see what came
        raise Problem(400, "malformed_webhook", "The message names no task and its status.") from None
