"""Signed webhooks: delivered until they are taken, repeated and reordered if so set."""

import asyncio
import hashlib
import hmac
from contextlib import suppress

import aiohttp
import orjson

from closet_devstack.sandbox.stripe.world import Object, World

_TIMEOUT_S = 10
_TRIES = 20
_RETRY_S = 0.2
_GOOD = range(200, 300)


class Webhooks:
    """Sends each event to the account's endpoint, side by side."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self._world = world
        self._session = session
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept: list[Object] = []

    def send(self, event: Object) -> None:
        """Now, or when it is asked for."""
        if self._world.settings.reverse_webhooks:
            self._kept.append(event)
        else:
            self._begin(event)

    def release(self) -> int:
        """Send what was kept, the last one first; how many there were."""
        kept, self._kept = self._kept[::-1], []
        for event in kept:
            self._begin(event)
        return len(kept)

    async def drop(self) -> None:
        """Send no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._kept.clear()

    def _begin(self, event: Object) -> None:
        if self._world.settings.webhook_url:
            task = asyncio.create_task(self._deliver(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: Object) -> None:
        thin = event["object"] == "v2.core.event"
        raw = orjson.dumps({name: value for name, value in event.items() if name != "data"} if thin else event)
        for _ in range(1 + self._world.settings.repeat_webhooks):
            for _ in range(_TRIES):
                if await self._is_taken(raw):
                    break
                await asyncio.sleep(_RETRY_S)

    async def _is_taken(self, raw: bytes) -> bool:
        settings = self._world.settings
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(raw, settings.webhook_secret, self._world.now()),
        }
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(settings.webhook_url, data=raw, headers=headers, timeout=timeout) as response:
                return response.status in _GOOD
        return False


def signature(raw: bytes, secret: str, at: int) -> str:
    """The header that goes with a message (https://docs.stripe.com/webhooks#verify-manually)."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
