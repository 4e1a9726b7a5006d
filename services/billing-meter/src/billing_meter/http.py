"""The HTTP route that Stripe's webhooks come in by."""

from collections.abc import Callable
from functools import partial

from closet_chassis.batching import Batcher
from closet_chassis.webhooks import WebhookEndpoint
from closet_messaging.transaction import Begin
from prometheus_client import Counter

from billing_meter.adapters.signatures import StripeWebhookVerifier
from billing_meter.domain.stripe_objects import StripeEvent
from billing_meter.handlers.stripe import store_events

PATH = "/webhooks/stripe"
MAX_BYTES = 256 * 1024

RECEIVED = Counter("closet_stripe_webhooks_total", "Webhooks received from Stripe", ["outcome"])


def stripe_webhooks(
    verifier: StripeWebhookVerifier, begin: Begin, on_new: Callable[[], None]
) -> WebhookEndpoint[StripeEvent]:
    """Return the endpoint that stores Stripe's events; `on_new` is called when there are new ones."""
    return WebhookEndpoint(
        sender="Stripe",
        path=PATH,
        verify=verifier.verify,
        store=Batcher(partial(store_events, begin, on_new)),
        received=RECEIVED,
        max_bytes=MAX_BYTES,
        content_type="application/json",
    )
