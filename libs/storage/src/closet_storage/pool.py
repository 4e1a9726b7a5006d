"""Pictures decoded in separate processes, so that the event loop stays free and a hostile picture harms only itself."""

import asyncio
import contextlib
import json
import os
import sys
from typing import Any, Self

from closet_contracts.upload import UPLOAD_RULES

from closet_storage.picture import Picture, PictureRejected
from closet_storage.worker import LENGTHS, frame_header

_PROGRAM = ("-P", "-m", "closet_storage.worker")
_TRIES = 2
_START_S = 30
_LARGEST_REPLY = 64 << 20
_UPLOAD_LIMIT = {"max_bytes": UPLOAD_RULES.max_bytes}
# What a program needs to start, and none of the service's secrets.
_ENVIRONMENT = {"PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG"}


class PoolUnavailable(Exception):
    """No worker answered in time, or the pool is closed. This says nothing about the picture: try again later."""


class _WorkerDied(Exception):
    """The worker ended, or sent something that is not an answer."""


class PicturePool:
    """Up to `workers` processes, each started when first needed and replaced when it dies or has served its time.

    A picture whose worker dies is tried once more in a new one and then rejected, and so is a picture that takes more
    than `cpu_s` of processor time. After `timeout_s` of wall-clock time the call raises PoolUnavailable and rejects
    nothing: the machine may be busy.
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        cpu_s: int = 10,
        timeout_s: float = 60,
        pictures_per_worker: int = 256,
        memory_bytes: int = 1 << 30,
    ) -> None:
        self._slots = asyncio.Semaphore(workers)
        self._timeout_s = timeout_s
        self._pictures_per_worker = pictures_per_worker
        self._limits = (memory_bytes, cpu_s)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    async def normalise(self, data: bytes, **limits: int) -> Picture:
        """Run `images.normalise` with its keyword arguments; `max_bytes` is that of uploads unless given.

        Raises:
            PictureRejected: the picture cannot be used.
            PoolUnavailable: not known; try again later.
        """
        return await self._run("normalise", data, _UPLOAD_LIMIT | limits)

    async def fit(self, data: bytes, width: int, height: int) -> Picture:
        """Run `images.fit`; raise what `normalise` raises."""
        return await self._run("fit", data, {"width": width, "height": height})

    async def jpeg(self, data: bytes, *, max_side: int) -> Picture:
        """Run `images.jpeg`; raise what `normalise` raises."""
        return await self._run("jpeg", data, _UPLOAD_LIMIT | {"max_side": max_side})

    async def mask(self, data: bytes, width: int, height: int) -> Picture:
        """Run `images.mask`; raise what `normalise` raises."""
        return await self._run("mask", data, _UPLOAD_LIMIT | {"width": width, "height": height})

    async def check_result(self, data: bytes, **limits: int) -> Picture:
        """Run `images.check_result` with its keyword arguments; raise what `normalise` raises."""
        return await self._run("check_result", data, limits)

    async def close(self) -> None:
        """End all workers. Calls in flight raise PoolUnavailable."""
        self._closed = True
        await asyncio.gather(*(worker.kill() for worker in list(self._all)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, call: str, data: bytes, arguments: dict[str, int]) -> Picture:
        async with self._slots:
            for _ in range(_TRIES):
                worker = await self._worker()
                try:
                    head, made = await self._ask(worker, {"call": call, "arguments": arguments}, data)
                except _WorkerDied:
                    continue
                if "code" in head:
                    raise PictureRejected(head["code"], head["message"])
                made = data if head.get("same") else made
                return Picture(made, head["content_type"], head["width"], head["height"])
        if self._closed:
            raise PoolUnavailable("the pool is closed")
        raise PictureRejected("picture_damaged", "The picture cannot be read.")

    async def _worker(self) -> "_Worker":
        if self._closed:
            raise PoolUnavailable("the pool is closed")
        if self._idle:
            return self._idle.pop()
        worker = await _Worker.start(*self._limits)
        self._all.add(worker)
        return worker

    async def _ask(self, worker: "_Worker", head: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        done = False
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await worker.ask(head, data)
            done = worker.asked < self._pictures_per_worker
        except TimeoutError as error:
            raise PoolUnavailable(f"no answer within {self._timeout_s:g} s") from error
        except (EOFError, OSError, ValueError) as error:
            raise _WorkerDied from error
        else:
            return answer
        finally:
            # A worker that was interrupted in the middle of a frame cannot be asked again, whatever the reason.
            if done:
                self._idle.append(worker)
            else:
                self._all.discard(worker)
                await worker.kill()


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.asked = 0

    @classmethod
    async def start(cls, *limits: int) -> Self:
        """Start a worker and wait until it is ready.

        Raises:
            PoolUnavailable: it did not start.
        """
        command = [sys.executable, *_PROGRAM, *map(str, (os.getpid(), *limits))]
        environment = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT}
        pipe = asyncio.subprocess.PIPE
        try:
            worker = cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=environment))
        except OSError as error:
            raise PoolUnavailable(f"no worker: {error}") from error
        try:
            async with asyncio.timeout(_START_S):
                await worker._reply()
        except BaseException as error:
            await worker.kill()
            if isinstance(error, TimeoutError | EOFError | OSError | ValueError):
                raise PoolUnavailable(f"no worker: {type(error).__name__}") from error
            raise
        return worker

    async def ask(self, head: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        self.asked += 1
        stdin = self._process.stdin
        assert stdin  # noqa: S101 - a pipe was asked for
        stdin.write(frame_header(head, data))
        stdin.write(data)
        await stdin.drain()
        return await self._reply()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _reply(self) -> tuple[dict[str, Any], bytes]:
        stdout = self._process.stdout
        assert stdout  # noqa: S101 - a pipe was asked for
        head_length, data_length = LENGTHS.unpack(await stdout.readexactly(LENGTHS.size))
        if head_length + data_length > _LARGEST_REPLY:
            raise ValueError("the worker sent an impossible length")
        head = json.loads(await stdout.readexactly(head_length))
        return head, await stdout.readexactly(data_length)
