"""Where Stripe tells us what happened."""

from collections.abc import Callable

import structlog
from aiohttp import web
from closet_chassis.http import read_body, reply
from closet_chassis.problems import Problem
from closet_messaging.transaction import Begin
from prometheus_client import Counter

from billing_meter.adapters.signatures import Mailbox, NotTheirs, Unreadable
from billing_meter.handlers.stripe import keep_event
from billing_meter.ports import StripeEvent

log = structlog.get_logger(__name__)

PATH = "/webhooks/stripe"
MAX_BYTES = 256 * 1024

RECEIVED = Counter("closet_stripe_webhooks_total", "Webhooks received from Stripe", ["outcome"])


def add_routes(app: web.Application, mailbox: Mailbox, begin: Begin, kept: Callable[[], None]) -> None:
    """Take webhooks: verified on the raw bytes, stored, answered; `kept` is called when there is a new one."""

    async def receive(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            raise Problem(415, "unsupported_media_type", "A webhook of Stripe's is application/json.")
        event = _opened(mailbox, await read_body(request, MAX_BYTES), request.headers.get("Stripe-Signature", ""))
        async with begin() as tx:
            is_new = await keep_event(tx, event)
            tx.after_commit(kept)
        RECEIVED.labels("stored" if is_new else "known").inc()
        return reply({"received": True})

    app.router.add_post(PATH, receive)


def _opened(mailbox: Mailbox, raw: bytes, signature: str) -> StripeEvent:
    try:
        return mailbox.open(raw, signature)
    except NotTheirs:
        RECEIVED.labels("not_theirs").inc()
        log.warning("webhook_not_theirs")
        raise Problem(400, "invalid_signature", "The signature does not fit the message, or is too old.") from None
    except Unreadable as error:
        RECEIVED.labels("unreadable").inc()
        log.error("webhook_unreadable", reason=str(error))  # noqa: TRY400 no stack is needed to see what came
        raise Problem(400, "unreadable_webhook", "The message is not an event.") from None
