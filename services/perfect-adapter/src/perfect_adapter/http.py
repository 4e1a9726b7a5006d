"""Where the vendor tells us that a task has ended."""

import structlog
from aiohttp import web
from closet_chassis.batching import Batcher
from closet_chassis.http import read_body, reply
from closet_chassis.problems import Problem
from prometheus_client import Counter

from perfect_adapter.adapters.signatures import Mailbox, NotTheirs, Unreadable
from perfect_adapter.store.webhooks import Webhook

log = structlog.get_logger(__name__)

PATH = "/webhooks/perfect"
MAX_BYTES = 64 * 1024

RECEIVED = Counter("closet_vendor_webhooks_total", "Webhooks received from the vendor", ["outcome"])


def add_routes(app: web.Application, mailbox: Mailbox, kept: Batcher[Webhook, None]) -> None:
    """Take webhooks: verified on the raw bytes, stored, answered."""

    async def receive(request: web.Request) -> web.Response:
        raw = await read_body(request, MAX_BYTES)
        webhook = _opened(mailbox, raw, request)
        await kept.submit(webhook)
        RECEIVED.labels("stored").inc()
        return reply({"received": True})

    app.router.add_post(PATH, receive)


def _opened(mailbox: Mailbox, raw: bytes, request: web.Request) -> Webhook:
    try:
        return mailbox.open(raw, request.headers)
    except NotTheirs:
        RECEIVED.labels("not_theirs").inc()
        log.warning("webhook_not_theirs")
        raise Problem(400, "invalid_signature", "The signature does not fit the message, or is too old.") from None
    except Unreadable as error:
        RECEIVED.labels("unreadable").inc()
        log.error("webhook_unreadable", reason=str(error))  # noqa: TRY400 no stack is needed to see what came
        raise Problem(400, "unreadable_webhook", "The message names no task and its status.") from None
