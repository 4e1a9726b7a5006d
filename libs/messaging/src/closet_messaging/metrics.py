"""What messaging measures."""

import asyncio
from collections.abc import Sequence

import structlog
from nats.errors import Error
from nats.js import JetStreamContext
from prometheus_client import Counter, Gauge, Histogram

from closet_messaging.streams import Subscription

HANDLED = Counter(
    "closet_events_handled",
    "Deliveries by outcome: handled, duplicate, unknown, malformed, failed or dead.",
    ["type", "outcome"],
)
PENDING = Gauge(
    "closet_consumer_pending",
    "Events that this service has yet to acknowledge, as the bus says.",
    ["stream"],
)
BATCH = Histogram(
    "closet_consumer_batch_size",
    "Events handled in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
QUEUED = Gauge("closet_relay_queued", "Committed events that this process is about to publish.")
UNPUBLISHED = Gauge("closet_outbox_unpublished", "Events overdue for publishing, as last measured.")
OLDEST = Gauge(
    "closet_outbox_oldest_seconds",
    "Age of the oldest event that is overdue for publishing to a stream, as last measured; 0 if none is.",
    ["stream"],
)
PUBLISHED = Counter("closet_events_published", "Events that the bus has acknowledged.", ["how"])
PUBLISH_SECONDS = Histogram(
    "closet_relay_publish_seconds",
    "From handing a group of events to the bus to its acknowledgement.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)


log = structlog.get_logger(__name__)

BACKLOG_EVERY_S = 10.0


async def watch_backlog(js: JetStreamContext, subscriptions: Sequence[Subscription]) -> None:
    """Ask the bus, until cancelled, how much the service has yet to finish: a consumer that stands still cannot tell.

    While the bus does not answer, the last answer stands.
    """
    while True:
        for subscription in subscriptions:
            try:
                await _measure(js, subscription)
            except (Error, OSError) as error:
                log.warning("backlog_unknown", stream=subscription.stream.name, error=type(error).__name__)
        await asyncio.sleep(BACKLOG_EVERY_S)


async def _measure(js: JetStreamContext, subscription: Subscription) -> None:
    info = await js.consumer_info(subscription.stream.name, subscription.service)
    # Delivered and not acknowledged is not done: when a consumer hangs, that grows first.
    PENDING.labels(subscription.stream.name).set((info.num_pending or 0) + (info.num_ack_pending or 0))
