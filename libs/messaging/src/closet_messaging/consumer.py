"""The consumer: pull what has arrived, have it handled, and only then acknowledge it.

Whatever has arrived is one batch, handled in one transaction with what has arrived from the service's other streams;
only then is it acknowledged. If a batch fails, each of its events is handled in a transaction of its own, so that a bad
event costs only itself: it is delivered again after a while, and when the backoff is used up it becomes a dead letter.
While the database is away, the batch is held, not given back.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import orjson
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as InboxSubscription
from nats.errors import Error

from closet_messaging.deliveries import Acknowledger, Delivery, decode_batch
from closet_messaging.inbox import BatchProcessor
from closet_messaging.metrics import HANDLED
from closet_messaging.retries import BACKOFF_S, Retrier
from closet_messaging.streams import ACK_WAIT_S, Subscription

log = structlog.get_logger(__name__)

MAX_BATCH: Final = 256
EXPIRES_S: Final = 30.0
HEARTBEAT_S: Final = 5.0
# Two heartbeats missed: the server that held the request is gone, and so is the request.
HEARTBEAT_TIMEOUT_S: Final = 2.2 * HEARTBEAT_S
REFUSED_PAUSE_S: Final = 1.0
# Delivered so often, a message may be what ends the process that handles it: from here on it is handled alone.
SUSPECT_FROM_DELIVERY: Final = 3
EXTEND_EVERY_S: Final = ACK_WAIT_S / 3
STUCK_S: Final = 60.0
_HEARTBEAT, _EXPIRED = "100", "408"


class Consumer:
    """Handles what one service reads from one stream.

    Args:
        nc: the connection.
        processor: handles the service's events; types without a handler are acknowledged and counted.
        subscription: the service and the stream.
        backoff_s: seconds to wait after each failure; the failure after the last is final.
    """

    def __init__(
        self, nc: Client, processor: BatchProcessor, subscription: Subscription, backoff_s: Sequence[float] = BACKOFF_S
    ) -> None:
        self._processor = processor
        self._stream = subscription.stream.name
        self._pull = PullSubscription(nc, self._stream, subscription.service)
        self._acknowledger = Acknowledger(nc, subscription.service)
        self._batch: Sequence[Msg] = ()
        self._batch_started_at = 0.0
        self._stopping = asyncio.Event()
        self._retrier = Retrier(processor, self._acknowledger, backoff_s, self._stopping)

    async def run(self) -> None:
        """Consume until stopped."""
        await self._pull.open()
        extending = asyncio.create_task(self._extend_ack_waits(), name=f"extend-{self._stream}")
        try:
            while batch := await self._pull.next_batch():
                self._batch, self._batch_started_at = batch, _now()
                await self._process(batch)
                self._batch = ()
        finally:
            extending.cancel()

    async def stop(self) -> None:
        """Pull no more and give back what was not begun; `run` returns when the batch in progress is finished."""
        self._stopping.set()
        for message in await self._pull.close():
            await self._acknowledger.nak(message)

    def renew(self) -> None:
        """Send the pull request again after a reconnection."""
        self._pull.renew()

    def check(self) -> str | None:
        """Return a sentence if the consumer makes no progress, else None."""
        if self._batch:
            held = _now() - self._batch_started_at
            return f"{self._stream}: {held:.0f} s at one batch" if held > STUCK_S else None
        silent = _now() - self._pull.last_heartbeat_at
        return f"{self._stream}: no heartbeat for {silent:.0f} s" if silent > 2 * HEARTBEAT_TIMEOUT_S else None

    async def _process(self, messages: Sequence[Msg]) -> None:
        batch = decode_batch(messages, self._processor.handlers)
        for message in batch.unknown:
            HANDLED.labels(message.subject, "unknown").inc()
        await self._acknowledger.ack(batch.unknown)
        for message, error in batch.malformed:
            HANDLED.labels(message.subject, "malformed").inc()
            await self._acknowledger.dead_letter(message, error)
        await self._process_batch([one for one in batch.events if one.attempt < SUSPECT_FROM_DELIVERY])
        await self._retrier.handle_suspects([one for one in batch.events if one.attempt >= SUSPECT_FROM_DELIVERY])

    async def _process_batch(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        try:
            await self._processor.process_batch([delivery.event for delivery in deliveries])
        except Exception as error:  # noqa: BLE001 whatever a handler raises; which event is at fault shows one by one
            log.warning("batch_failed", stream=self._stream, events=len(deliveries), error=type(error).__name__)
            await self._retrier.handle(deliveries)
        else:
            await self._acknowledger.ack(delivery.message for delivery in deliveries)

    async def _extend_ack_waits(self) -> None:
        """Keep the bus from delivering again what waits here behind a slow batch."""
        while True:
            await asyncio.sleep(EXTEND_EVERY_S)
            if self._batch and _now() - self._batch_started_at > EXTEND_EVERY_S / 2:
                await self._acknowledger.in_progress([*self._batch, *self._pull.buffered])


class PullSubscription:
    """Messages of one durable consumer, as they arrive: one long pull request, renewed as messages arrive.

    At most `MAX_BATCH` messages are on their way or buffered here, beside the batch that the caller handles.
    """

    def __init__(self, nc: Client, stream: str, consumer: str) -> None:
        self._nc = nc
        self._request_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._label = f"{stream}/{consumer}"
        self._reply_subject = nc.new_inbox()
        self._buffer: deque[Msg] = deque()
        self._requested = 0
        self._is_refused = False
        self._is_closed = False
        self._activity = asyncio.Event()
        self._subscription: InboxSubscription | None = None
        self.last_heartbeat_at = asyncio.get_running_loop().time()
        """When there was last a sign that the consumer exists and serves our request. A refusal is none."""

    @property
    def buffered(self) -> deque[Msg]:
        """Messages that have arrived and are in no batch yet."""
        return self._buffer

    async def open(self) -> None:
        """Subscribe to the replies."""
        self._subscription = await self._nc.subscribe(self._reply_subject, cb=self._on_message)

    def renew(self) -> None:
        """Request again after a reconnection: the server has forgotten the request."""
        self._requested = 0
        self._activity.set()

    async def next_batch(self) -> list[Msg]:
        """Return whatever has arrived, at most `MAX_BATCH`; wait until there is something. Empty once closed."""
        while not self._is_closed:
            batch = [self._buffer.popleft() for _ in range(min(MAX_BATCH, len(self._buffer)))]
            if self._is_refused and not batch:
                self._is_refused = False
                await asyncio.sleep(REFUSED_PAUSE_S)
            if not self._is_refused:
                await self._request_more()
            if batch:
                return batch
            await self._wait_for_activity()
        return []

    async def close(self) -> list[Msg]:
        """Unsubscribe; return what arrived and is in no batch."""
        self._is_closed = True
        self._activity.set()
        if self._subscription is not None and self._nc.is_connected:
            try:
                # Tells the server, and waits for what was already on its way.
                await self._subscription.drain()  # type: ignore[no-untyped-call]  # nats-py annotates no result
            except (Error, OSError) as error:
                log.warning("pull_not_drained", consumer=self._label, error=type(error).__name__)
        left = list(self._buffer)
        self._buffer.clear()
        return left

    async def _request_more(self) -> None:
        missing = MAX_BATCH - self._requested - len(self._buffer)
        if missing < MAX_BATCH // 2 or not self._nc.is_connected:
            return
        self._requested += missing
        request = {"batch": missing, "expires": int(EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        await self._nc.publish(self._request_subject, orjson.dumps(request), reply=self._reply_subject)

    async def _wait_for_activity(self) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT_TIMEOUT_S):
                await self._activity.wait()
        except TimeoutError:
            self._check_heartbeat()
        self._activity.clear()

    def _check_heartbeat(self) -> None:
        if _now() - self.last_heartbeat_at < HEARTBEAT_TIMEOUT_S:
            return
        log.warning("pull_heartbeat_missed", consumer=self._label, requested=self._requested)
        self._requested = 0

    async def _on_message(self, message: Msg) -> None:
        if message.reply:
            self.last_heartbeat_at = _now()
            self._requested = max(self._requested - 1, 0)
            self._buffer.append(message)
        elif not self._on_status(message.headers or {}):
            return
        self._activity.set()

    def _on_status(self, headers: dict[str, str]) -> bool:
        """Note what the server says about the request; return True if there is something to do."""
        status = headers.get("Status")
        if status in {_HEARTBEAT, _EXPIRED}:
            self.last_heartbeat_at = _now()
        if status == _HEARTBEAT:
            return False
        unmet = int(headers.get("Nats-Pending-Messages", self._requested))
        self._requested = max(self._requested - unmet, 0)
        if status != _EXPIRED:  # deleted, moved, or no JetStream at all
            log.warning("pull_ended", consumer=self._label, status=status, description=headers.get("Description"))
            self._requested = 0
            self._is_refused = True
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
