"""Carries tasks out."""

import asyncio
import time

import aiohttp

from closet_devstack.sandbox.perfect import paint
from closet_devstack.sandbox.perfect.errors import EngineError
from closet_devstack.sandbox.perfect.webhooks import Webhooks
from closet_devstack.sandbox.perfect.world import Task, World

_PAINTERS = 2
_FETCH_TIMEOUT = aiohttp.ClientTimeout(total=30)


class Engine:
    """Fetches inputs, makes results, charges units, tells the webhooks."""

    def __init__(self, world: World, session: aiohttp.ClientSession, webhooks: Webhooks) -> None:
        self._world = world
        self._session = session
        self._webhooks = webhooks
        self._running: set[asyncio.Task[None]] = set()
        self._painters = asyncio.Semaphore(_PAINTERS)
        self._fixed = paint.fixed()

    def begin(self, task: Task) -> None:
        """Start the task; it ends after the settings' latency, or when its picture is ready if that takes longer."""
        running = asyncio.create_task(self._run(task))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def drop(self) -> None:
        """Forget the tasks that run, and the webhooks that are under way."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._webhooks.drop()

    async def _run(self, task: Task) -> None:
        began = time.monotonic()
        failure: EngineError | None = None
        try:
            pictures = await self._pictures(task)
        except EngineError as error:
            failure, pictures = error, []
        left = self._world.settings.latency_ms / 1000 - (time.monotonic() - began)
        if left > 0:
            await asyncio.sleep(left)
        self._end(task, pictures, failure)
        self._webhooks.tell(task)

    async def _pictures(self, task: Task) -> list[bytes]:
        world = self._world
        if world.faults.waiting and (fault := world.faults.take("engine_error")):
            raise EngineError(fault.code or "unknown_internal_error")
        if world.settings.fixed_result:
            return [self._fixed]
        inputs = [await self._fetch(url) for url in task.order.urls]
        async with self._painters:
            pictures = await asyncio.to_thread(task.feature.paint, inputs, task.order.options)
        return [paint.with_metadata(picture) for picture in pictures] if world.settings.result_metadata else pictures

    async def _fetch(self, url: str) -> bytes:
        try:
            async with self._session.get(url, timeout=_FETCH_TIMEOUT) as response:
                response.raise_for_status()
                return await _bounded(response.content)
        except (aiohttp.ClientError, TimeoutError):
            raise EngineError("error_download_image") from None

    def _end(self, task: Task, pictures: list[bytes], failure: EngineError | None) -> None:
        world = self._world
        task.ended_at = world.now()
        if failure is not None:
            task.status, task.error, task.error_message = "error", failure.code, failure.sentence
            return
        world.keep(task, pictures)
        world.units.charge(task.feature.name, task.id, task.feature.units, task.ended_at)
        task.charged = task.feature.units
        task.status = "success"


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """All of it, or a little more than is allowed, which tells that there is too much."""
    data = bytearray()
    async for chunk in content.iter_any():
        data += chunk
        if len(data) > paint.MAX_BYTES:
            break
    return bytes(data)
