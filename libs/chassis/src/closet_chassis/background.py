"""Tasks that live as long as the process. One that crashes ends it: the platform starts a whole one."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Background:
    """Supervised tasks.

    A task is cancelled and awaited when `stack` unwinds to where it was started: before whatever was opened earlier,
    and which it may use, is closed.
    """

    def __init__(self, stack: AsyncExitStack, on_crash: Callable[[], None]) -> None:
        self._stack = stack
        self._on_crash = on_crash
        self.crashed = False

    def start(self, name: str, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `coro`; it may return, but if it raises, the process stops with exit code 1."""
        task = asyncio.create_task(coro, name=name)
        task.add_done_callback(self._done)
        self._stack.push_async_callback(partial(_cancel, task))
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.critical("background_crashed", task=task.get_name(), exc_info=error)
        self.crash()

    def crash(self) -> None:
        """Stop the process with exit code 1: for whoever finds that it cannot go on."""
        self.crashed = True
        self._on_crash()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
