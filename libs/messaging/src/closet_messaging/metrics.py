"""What messaging measures."""

from prometheus_client import Counter, Gauge, Histogram

HANDLED = Counter(
    "closet_events_handled",
    "Deliveries by what became of them: handled, duplicate, unknown, malformed, failed or dead.",
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
UNPUBLISHED = Gauge("closet_outbox_unpublished", "Events overdue for publishing, as the last sweep found them.")
OLDEST = Gauge(
    "closet_outbox_oldest_seconds",
    "Age of the oldest event that is overdue for publishing to a stream, as the last look found it; 0 if none is.",
    ["stream"],
)
PUBLISHED = Counter("closet_events_published", "Events that the bus has acknowledged.", ["how"])
PUBLISH_SECONDS = Histogram(
    "closet_relay_publish_seconds",
    "From handing a group of events to the bus to its acknowledgement.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
