"""Natural batching: whatever arrives while a group is handled is the next group. No linger, no timer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from closet_chassis.postgres import is_unavailable

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Hands what callers submit to `handle`, one group at a time; an idle one handles a lone item at once.

    Args:
        handle: does a whole group, usually in one transaction, and answers each item, in order.
        limit: the largest group.
    """

    def __init__(self, handle: Callable[[Sequence[T]], Awaitable[Sequence[R]]], limit: int = 256) -> None:
        self._handle = handle
        self._limit = limit
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> R:
        """What `handle` answers for this item, or raises for it.

        A group that raises is done again one by one, so that a bad item fails alone; not so if the database is
        away. A caller that is cancelled does not take its item back.
        """
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._running is None:
            # An empty context: a group belongs to the trace of none of its callers.
            self._running = asyncio.create_task(self._run(), name="batcher", context=Context())
        return await answer

    def cancel(self) -> None:
        """Cancel the group in progress and whoever waits: for a process that ends."""
        if self._running is not None:
            self._running.cancel()
        for _, answer in self._waiting:
            answer.cancel()
        self._waiting.clear()

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = self._waiting[: self._limit]
                del self._waiting[: self._limit]
                await self._do(group)
        finally:
            self._running = None

    async def _do(self, group: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._handle([item for item, _ in group])
        except asyncio.CancelledError:
            for _, answer in group:
                answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 whatever it is, it is the callers'
            await self._on_error(group, error)
        else:
            for (_, answer), result in zip(group, results, strict=True):
                if not answer.done():
                    answer.set_result(result)

    async def _on_error(self, group: Sequence[tuple[T, asyncio.Future[R]]], error: Exception) -> None:
        if len(group) > 1 and not is_unavailable(error):
            for one in group:
                await self._do([one])
            return
        for _, answer in group:
            if not answer.done():
                answer.set_exception(error)
