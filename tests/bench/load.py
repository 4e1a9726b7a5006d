"""The load generator, a process of its own: a plan on stdin; marks, then what it saw, on stdout.

The marks `begin` and `end` enclose the measured seconds.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

import uvloop

from tests.bench.api import Api, Refused
from tests.bench.job_listener import JobListener, listening
from tests.bench.plan import Plan, Result, Seen
from tests.bench.stats import percentile

_POSTING = 32
"""Posts under way at once in the saturated phase."""
_FINISH_S = 60.0
_LOOK_EVERY_S = 0.25
_SEED = 20260501


class Load:
    """Posts jobs and waits for their ends."""

    def __init__(self, plan: Plan, api: Api) -> None:
        self._plan = plan
        self._api = api
        self.listener = JobListener(self._announced, self._ended_otherwise)
        self._room = asyncio.Semaphore(plan.outstanding)
        self._open: dict[str, float] = {}
        self._early: dict[str, float] = {}
        self._measured: dict[str, Seen] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: set[str] = set()
        self._late_ms: list[float] = []
        self._otherwise: Counter[str] = Counter()
        self._accepted = self._refused = 0

    async def run(self) -> Result:
        await (self._paced() if self._plan.phase == "paced" else self._saturated())
        await self._finish()
        return Result(
            accepted=self._accepted,
            refused=self._refused,
            ended_otherwise=dict(self._otherwise),
            unfinished=len(self._open),
            late_ms_p99=percentile(self._late_ms, 99) if self._late_ms else 0.0,
            jobs=list(self._measured.values()),
        )

    async def _paced(self) -> None:
        """Arrivals at random moments (Poisson), whatever becomes of those before."""
        plan, dice = self._plan, random.Random(_SEED)
        began = perf_counter()
        first, last = began + plan.warm_up_s, began + plan.warm_up_s + plan.seconds
        marks = [("begin", first), ("end", last)]
        due = began
        while (due := due + dice.expovariate(plan.rate)) < last:
            while marks and marks[0][1] <= due:
                await _until(marks[0][1])
                _mark(marks.pop(0)[0])
            await _until(due)
            self._late_ms.append((perf_counter() - due) * 1000)
            self._start(self._job(measured=due >= first))
        for mark, at in marks:
            await _until(at)
            _mark(mark)

    async def _saturated(self) -> None:
        """As many jobs as there is room for, all the time."""
        plan = self._plan
        posters = [asyncio.create_task(self._keep_posting()) for _ in range(min(_POSTING, plan.outstanding))]
        await asyncio.sleep(plan.warm_up_s)
        _mark("begin")
        await asyncio.sleep(plan.seconds)
        _mark("end")
        for poster in posters:
            poster.cancel()
        await asyncio.gather(*posters, return_exceptions=True)

    async def _keep_posting(self) -> None:
        while True:
            await self._room.acquire()
            await self._job(measured=False)

    async def _job(self, *, measured: bool) -> None:
        try:
            inputs = await self._api.inputs()
            sent = perf_counter()
            job_id = await self._api.try_on(inputs)
        except Refused as refused:
            sys.stderr.write(f"{refused}\n")
            self._refused += 1
            self._room.release()
            return
        accepted = perf_counter()
        self._accepted += 1
        self._open[job_id] = accepted
        if measured:
            self._measured[job_id] = Seen(job_id=job_id, post_ms=(accepted - sent) * 1000)
        if job_id in self._early:
            self._announced(job_id, self._early.pop(job_id))

    def _announced(self, job_id: str, at: float) -> None:
        if job_id not in self._open:
            self._early[job_id] = at
        elif job_id not in self._measured:
            self._over(job_id)
        elif job_id not in self._looking:
            self._looking.add(job_id)
            self._start(self._look(job_id, at))

    async def _look(self, job_id: str, at: float) -> None:
        """Is it visible? If not, the announcement was of something else, and another will come."""
        if await self._api.is_completed(job_id):
            self._measured[job_id].visible_ms = max(0.0, (at - self._open[job_id]) * 1000)
            self._over(job_id)
        self._looking.discard(job_id)

    def _ended_otherwise(self, job_id: str, code: str) -> None:
        self._otherwise[code] += 1
        if job_id in self._open:
            self._over(job_id)

    def _over(self, job_id: str) -> None:
        del self._open[job_id]
        self.listener.forget(job_id)
        self._room.release()

    async def _finish(self) -> None:
        """Wait for what is under way; look at what nobody announces."""
        until = perf_counter() + _FINISH_S
        while (self._open or self._tasks) and perf_counter() < until:
            await asyncio.sleep(_LOOK_EVERY_S)
            quiet = [job_id for job_id, accepted in self._open.items() if perf_counter() - accepted > 5]
            for job_id in quiet:
                if job_id not in self._looking and await self._api.is_completed(job_id) and job_id in self._open:
                    self._announced(job_id, perf_counter())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - perf_counter()))


def _mark(name: str) -> None:
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()


async def _main() -> None:
    plan = Plan.model_validate_json(sys.stdin.buffer.readline())
    async with Api(plan) as api:
        load = Load(plan, api)
        async with listening(plan.nats, load.listener):
            result = await load.run()
    sys.stdout.write(result.model_dump_json() + "\n")


if __name__ == "__main__":
    uvloop.run(_main())
