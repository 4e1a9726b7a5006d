"""Tells the account's endpoints that a task ended: by Standard Webhooks, once, with no result in it."""

import asyncio
import base64
import hmac
import secrets
import time
from collections.abc import Awaitable

import aiohttp
import orjson

from closet_devstack.sandbox.perfect.faults import Kind
from closet_devstack.sandbox.perfect.ids import large_number
from closet_devstack.sandbox.perfect.tasks import Task
from closet_devstack.sandbox.perfect.world import World

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_LONGEST_HOLD_MS = 5000

Message = tuple[dict[str, str], bytes]


def new_secret() -> str:
    """`whsec_` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


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
        self._overtaken = asyncio.Event()

    def tell(self, task: Task) -> None:
        """In the background."""
        if not self._world.settings.webhook_urls:
            return
        if self._world.faults.take("webhook_lost", task.occasion):
            self._world.webhooks["lost"] += 1
            return
        sending = asyncio.create_task(self._tell(task, self._message(task)))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def drop(self) -> None:
        """Forget those under way."""
        for sending in self._sending:
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _tell(self, task: Task, message: Message) -> None:
        times = 2 if self._world.faults.take("webhook_double", task.occasion) else 1
        urls = self._world.settings.webhook_urls * times
        is_late = await self._hold_back(task)
        await asyncio.gather(*(self._send(url, *message) for url in urls))
        if not is_late:
            self._let_pass()

    async def _hold_back(self, task: Task) -> bool:
        """Wait as long as faults say; true if another one was to overtake it."""
        faults, clock = self._world.faults, self._world.clock
        if delay := faults.take("webhook_delay", task.occasion):
            await clock.sleep(delay.ms / 1000)
        reorder = faults.take("webhook_reorder", task.occasion)
        if reorder:
            await _first_of(self._overtaken.wait(), clock.sleep((reorder.ms or _LONGEST_HOLD_MS) / 1000))
        return reorder is not None

    def _let_pass(self) -> None:
        """Those who wait to be overtaken were."""
        self._overtaken.set()
        self._overtaken = asyncio.Event()

    def _message(self, task: Task) -> Message:
        """Signed by everybody's clock, which receivers hold against theirs; told by the vendor's."""
        message_id, timestamp = str(large_number()), int(time.time())
        data = {"task_id": task.told_id, "task_status": task.status}
        body = orjson.dumps({"created_at": int(self._world.now()), "data": data})
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
        }
        if not self._takes("webhook_unsigned", task):
            secret = new_secret() if self._takes("webhook_forged", task) else self._world.settings.webhook_secret
            headers["webhook-signature"] = signature(secret, message_id, timestamp, body)
        return headers, body

    def _takes(self, kind: Kind, task: Task) -> bool:
        return self._world.faults.take(kind, task.occasion) is not None

    async def _send(self, url: str, headers: dict[str, str], body: bytes) -> None:
        try:
            async with self._session.post(url, data=body, headers=headers, timeout=_TIMEOUT) as response:
                outcome = "delivered" if response.ok else "refused"
        except (aiohttp.ClientError, TimeoutError):
            outcome = "failed"
        self._world.webhooks[outcome] += 1


async def _first_of(*waits: Awaitable[object]) -> None:
    """Until one is over; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
