"""Tells the account's endpoints that a task ended: by Standard Webhooks, once, with no result in it."""

import asyncio
import base64
import hmac
import secrets

import aiohttp
import orjson

from closet_devstack.sandbox.perfect.faults import Faults
from closet_devstack.sandbox.perfect.world import Task, World

_TIMEOUT = aiohttp.ClientTimeout(total=10)


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>` of the signed content; the secret is `whsec_<base64>`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


class Webhooks:
    """Sends from a pooled session. Nothing is repeated: no retry policy is documented."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self._world = world
        self._session = session
        self._sending: set[asyncio.Task[None]] = set()

    def tell(self, task: Task) -> None:
        world, faults = self._world, self._world.faults
        if not world.settings.webhook_urls:
            return
        if faults.waiting and faults.take("webhook_lost"):
            world.webhooks["lost"] += 1
            return
        message_id = str(secrets.randbits(63) | 1 << 60)
        times = 2 if faults.waiting and faults.take("webhook_double") else 1
        delay_ms = _delay_ms(faults)
        headers, body = self._message(task, message_id)
        for url in world.settings.webhook_urls * times:
            sending = asyncio.create_task(self._send(url, headers, body, delay_ms / 1000))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def drop(self) -> None:
        for sending in self._sending:
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _message(self, task: Task, message_id: str) -> tuple[dict[str, str], bytes]:
        world = self._world
        timestamp = int(world.now())
        body = orjson.dumps({"created_at": timestamp, "data": {"task_id": task.id, "task_status": task.status}})
        secret = world.settings.webhook_secret
        if world.faults.waiting and world.faults.take("webhook_forged"):
            secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        return {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secret, message_id, timestamp, body),
        }, body

    async def _send(self, url: str, headers: dict[str, str], body: bytes, delay_s: float) -> None:
        if delay_s:
            await asyncio.sleep(delay_s)
        try:
            async with self._session.post(url, data=body, headers=headers, timeout=_TIMEOUT) as response:
                outcome = "delivered" if response.ok else "refused"
        except (aiohttp.ClientError, TimeoutError):
            outcome = "failed"
        self._world.webhooks[outcome] += 1


def _delay_ms(faults: Faults) -> int:
    fault = faults.take("webhook_delay") if faults.waiting else None
    return fault.ms if fault else 0
