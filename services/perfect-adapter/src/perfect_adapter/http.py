"""The HTTP route that the vendor's webhooks come in by."""

from collections.abc import Callable
from functools import partial

from closet_chassis.batching import Batcher
from closet_chassis.webhooks import WebhookEndpoint
from closet_messaging.transaction import Begin
from prometheus_client import Counter

from perfect_adapter.renders.handlers import store_webhooks
from perfect_adapter.vendor.signatures import VendorWebhook, WebhookVerifier

PATH = "/webhooks/perfect"
MAX_BYTES = 64 * 1024

RECEIVED = Counter("closet_vendor_webhooks_total", "Webhooks received from the vendor", ["outcome"])


def vendor_webhooks(
    verifier: WebhookVerifier, begin: Begin, on_task_finished: Callable[[], None]
) -> WebhookEndpoint[VendorWebhook]:
    """Return the endpoint that stores the vendor's webhooks; `on_task_finished` is called when there are new ones."""
    return WebhookEndpoint(
        sender="Perfect",
        path=PATH,
        verify=verifier.verify,
        store=Batcher(partial(store_webhooks, begin, on_task_finished)),
        received=RECEIVED,
        max_bytes=MAX_BYTES,
    )
