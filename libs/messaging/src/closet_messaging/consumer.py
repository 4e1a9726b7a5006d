"""The consumer: the only place that acknowledges events.

Whatever has arrived is one batch, handled in one transaction with what has arrived from the service's other streams;
only then is it acknowledged. If a batch fails, each of its events is handled in a transaction of its own, so that a bad
one costs only itself: it comes again after a while, and when the backoff is used up it becomes a dead letter. While the
database is away, what is in hand is held, not given back.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from closet_messaging.delivery import Delivery, sort
from closet_messaging.desk import Desk
from closet_messaging.handling import Handler, Handlers
from closet_messaging.metrics import HANDLED
from closet_messaging.pull import SILENCE_S, Pull
from closet_messaging.retrying import BACKOFF_S, Retrier
from closet_messaging.streams import ACK_WAIT_S, Subscription
from closet_messaging.verdicts import Verdicts

__all__ = ["BACKOFF_S", "Consumer", "Handler", "Handlers"]

log = structlog.get_logger(__name__)

# Delivered so often, a message may be what ends the process that handles it: from here on it is handled alone.
ALONE_FROM: Final = 3
TOUCH_S: Final = ACK_WAIT_S / 3
STUCK_S: Final = 60.0


class Consumer:
    """Handles what one service reads from one stream.

    Args:
        nc: the connection.
        desk: where the service's events are handled; types that it has no handler for are acknowledged and counted.
        subscription: the service and the stream.
        backoff_s: how long to wait after each failure; the one after the last is final.
    """

    def __init__(
        self, nc: Client, desk: Desk, subscription: Subscription, backoff_s: Sequence[float] = BACKOFF_S
    ) -> None:
        self._desk = desk
        self._stream = subscription.stream.name
        self._pull = Pull(nc, self._stream, subscription.service)
        self._verdicts = Verdicts(nc, subscription.service)
        self._in_hand: Sequence[Msg] = ()
        self._since = 0.0
        self._stopping = asyncio.Event()
        self._retrier = Retrier(desk, self._verdicts, backoff_s, self._stopping)

    async def run(self) -> None:
        """Consume until stopped."""
        await self._pull.open()
        touching = asyncio.create_task(self._touch(), name=f"touch-{self._stream}")
        try:
            while batch := await self._pull.batch():
                self._in_hand, self._since = batch, _now()
                await self._process(batch)
                self._in_hand = ()
        finally:
            touching.cancel()

    async def stop(self) -> None:
        """Take no more, give back what nobody has begun; `run` returns when the batch in hand is finished."""
        self._stopping.set()
        for message in await self._pull.close():
            await self._verdicts.again(message)

    def renew(self) -> None:
        """The connection is back: ask the bus anew."""
        self._pull.renew()

    def check(self) -> str | None:
        """Does it make progress? A sentence if not."""
        if self._in_hand:
            held = _now() - self._since
            return f"{self._stream}: {held:.0f} s at one batch" if held > STUCK_S else None
        silent = _now() - self._pull.heard_at
        return f"{self._stream}: nothing heard for {silent:.0f} s" if silent > 2 * SILENCE_S else None

    async def _process(self, messages: Sequence[Msg]) -> None:
        found = sort(messages, self._desk.handlers)
        for message in found.unknown:
            HANDLED.labels(message.subject, "unknown").inc()
        await self._verdicts.done(found.unknown)
        for message, error in found.malformed:
            HANDLED.labels(message.subject, "malformed").inc()
            await self._verdicts.bury(message, error)
        await self._together([delivery for delivery in found.events if delivery.attempt < ALONE_FROM])
        await self._retrier.handle_suspects([delivery for delivery in found.events if delivery.attempt >= ALONE_FROM])

    async def _together(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        try:
            await self._desk.together([delivery.event for delivery in deliveries])
        except Exception as error:  # noqa: BLE001 whatever a handler raises; whose fault it is shows one by one
            log.warning("batch_failed", stream=self._stream, events=len(deliveries), error=type(error).__name__)
            await self._retrier.handle(deliveries)
        else:
            await self._verdicts.done(delivery.message for delivery in deliveries)

    async def _touch(self) -> None:
        """Keep the bus from delivering again what waits here behind a slow batch."""
        while True:
            await asyncio.sleep(TOUCH_S)
            if self._in_hand and _now() - self._since > TOUCH_S / 2:
                await self._verdicts.still([*self._in_hand, *self._pull.waiting])


def _now() -> float:
    return asyncio.get_running_loop().time()
