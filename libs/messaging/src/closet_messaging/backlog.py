"""How much a service has yet to finish, asked of the bus: its own consumers cannot tell while they stand still."""

import asyncio
from collections.abc import Sequence

import structlog
from nats.errors import Error
from nats.js import JetStreamContext

from closet_messaging.metrics import PENDING
from closet_messaging.streams import Subscription

log = structlog.get_logger(__name__)

EVERY_S = 10.0


async def watch(js: JetStreamContext, subscriptions: Sequence[Subscription]) -> None:
    """Measure until cancelled. While the bus does not answer, the last answer stands."""
    while True:
        for subscription in subscriptions:
            try:
                await _measure(js, subscription)
            except (Error, OSError) as error:
                log.warning("backlog_unknown", stream=subscription.stream.name, error=type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def _measure(js: JetStreamContext, subscription: Subscription) -> None:
    info = await js.consumer_info(subscription.stream.name, subscription.service)
    # What was given and not acknowledged is not done: of a consumer that hangs, that is the first thing to grow.
    PENDING.labels(subscription.stream.name).set((info.num_pending or 0) + (info.num_ack_pending or 0))
