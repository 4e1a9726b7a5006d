"""A standing pull: one long request on a durable consumer, renewed as messages arrive."""

import asyncio
from collections import deque
from typing import Final

import orjson
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

log = structlog.get_logger(__name__)

WINDOW: Final = 256
EXPIRES_S: Final = 30.0
HEARTBEAT_S: Final = 5.0
# Two heartbeats missed: whoever served the request is gone, and so is the request.
SILENCE_S: Final = 2.2 * HEARTBEAT_S
REFUSED_PAUSE_S: Final = 1.0
_BEATS, _EXPIRED = "100", "408"


class Pull:
    """Messages of one durable consumer, as they come.

    At most `WINDOW` messages are on their way or waiting here, beside what the caller has in hand.
    """

    def __init__(self, nc: Client, stream: str, consumer: str) -> None:
        self._nc = nc
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._label = f"{stream}/{consumer}"
        self._inbox = nc.new_inbox()
        self._waiting: deque[Msg] = deque()
        self._requested = 0
        self._refused = False
        self._closed = False
        self._stirred = asyncio.Event()
        self._subscription: Subscription | None = None
        self.heard_at = asyncio.get_running_loop().time()
        """When there was last a sign that the consumer is there and serves our request. A refusal is none."""

    @property
    def waiting(self) -> deque[Msg]:
        """Messages that have arrived and are not in hand."""
        return self._waiting

    async def open(self) -> None:
        """Start to listen."""
        self._subscription = await self._nc.subscribe(self._inbox, cb=self._arrived)

    def renew(self) -> None:
        """Ask anew, after a reconnection: the server has forgotten what was asked."""
        self._requested = 0
        self._stirred.set()

    async def batch(self) -> list[Msg]:
        """Whatever has arrived, at most `WINDOW`; waits until there is something. Empty once closed."""
        while not self._closed:
            batch = [self._waiting.popleft() for _ in range(min(WINDOW, len(self._waiting)))]
            if self._refused and not batch:
                self._refused = False
                await asyncio.sleep(REFUSED_PAUSE_S)
            if not self._refused:
                await self._ask_for_more()
            if batch:
                return batch
            await self._stir()
        return []

    async def close(self) -> list[Msg]:
        """Stop listening; returns what arrived and nobody took."""
        self._closed = True
        self._stirred.set()
        if self._subscription is not None and self._nc.is_connected:
            try:
                # Says so to the server and waits for what was already on its way.
                await self._subscription.drain()  # type: ignore[no-untyped-call]
            except (Error, OSError) as error:
                log.warning("pull_not_drained", consumer=self._label, error=type(error).__name__)
        left = list(self._waiting)
        self._waiting.clear()
        return left

    async def _ask_for_more(self) -> None:
        missing = WINDOW - self._requested - len(self._waiting)
        if missing < WINDOW // 2 or not self._nc.is_connected:
            return
        self._requested += missing
        wish = {"batch": missing, "expires": int(EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        await self._nc.publish(self._next, orjson.dumps(wish), reply=self._inbox)

    async def _stir(self) -> None:
        """Wait until there is something to do."""
        try:
            async with asyncio.timeout(SILENCE_S):
                await self._stirred.wait()
        except TimeoutError:
            self._notice_silence()
        self._stirred.clear()

    def _notice_silence(self) -> None:
        if asyncio.get_running_loop().time() - self.heard_at < SILENCE_S:
            return  # there were heartbeats
        log.warning("pull_silent", consumer=self._label, requested=self._requested)
        self._requested = 0

    async def _arrived(self, message: Msg) -> None:
        if message.reply:
            self._heard()
            self._requested = max(self._requested - 1, 0)
            self._waiting.append(message)
        elif not self._told(message.headers or {}):
            return
        self._stirred.set()

    def _heard(self) -> None:
        self.heard_at = asyncio.get_running_loop().time()

    def _told(self, headers: dict[str, str]) -> bool:
        """What the server says about the request; is there something to do?"""
        status = headers.get("Status")
        if status in {_BEATS, _EXPIRED}:
            self._heard()
        if status == _BEATS:
            return False
        unmet = int(headers.get("Nats-Pending-Messages", self._requested))
        self._requested = max(self._requested - unmet, 0)
        if status != _EXPIRED:  # deleted, moved, or no JetStream at all
            log.warning("pull_ended", consumer=self._label, status=status, description=headers.get("Description"))
            self._requested = 0
            self._refused = True
        return True
