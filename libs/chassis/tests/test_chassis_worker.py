import asyncio
from collections.abc import AsyncIterator

import pytest
from closet_chassis import worker
from closet_chassis.worker import Step, Wake, work_loop
from closet_devstack.testing import eventually


class Loop:
    """A work loop under test: `answers` are what its step says, one after another, then False."""

    def __init__(self) -> None:
        self.wake = Wake()
        self.steps = 0
        self.answers: list[bool | float | Exception] = []
        self.task: asyncio.Task[None] | None = None

    async def step(self) -> bool | float:
        self.steps += 1
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer

    def start(self, step: Step | None = None, idle_s: float = 3600, grace_s: float = 5) -> asyncio.Task[None]:
        self.task = asyncio.create_task(work_loop(step or self.step, self.wake, idle_s, grace_s=grace_s))
        return self.task


@pytest.fixture
async def loop() -> AsyncIterator[Loop]:
    loop = Loop()
    yield loop
    if loop.task:
        loop.task.cancel()
        await asyncio.wait([loop.task])


async def test_it_goes_on_while_there_is_work_then_rests_until_woken(loop: Loop) -> None:
    loop.answers = [True, True, False]
    loop.start()
    await eventually(lambda: loop.steps == 3 and not loop.answers)
    loop.wake.set()
    await eventually(lambda: loop.steps == 4)


async def test_it_looks_by_itself_now_and_then(loop: Loop) -> None:
    loop.start(idle_s=0.01)
    await eventually(lambda: loop.steps >= 3)


async def test_it_looks_when_something_is_due(loop: Loop) -> None:
    loop.answers = [0.01]
    loop.start()
    await eventually(lambda: loop.steps == 2)


async def test_due_now_does_not_starve_the_others(loop: Loop) -> None:
    loop.answers = [0.0, -5.0, 0]
    loop.start()
    await eventually(lambda: loop.steps == 4)


async def test_a_wake_during_a_step_is_not_lost(loop: Loop) -> None:
    async def step() -> bool:
        loop.steps += 1
        if loop.steps == 1:
            loop.wake.set()
        return False

    loop.start(step)
    await eventually(lambda: loop.steps == 2)


async def test_an_error_is_survived(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FIRST_RETRY_S", 0.001)
    loop.answers = [RuntimeError("a"), RuntimeError("b"), True]
    loop.start()
    await eventually(lambda: loop.steps == 4)


def test_retries_come_later_and_later_up_to_a_bound() -> None:
    delays = [worker._retry_delay(n) for n in (1, 3, 50)]
    assert delays == sorted(delays)
    assert delays[-1] <= 1.25 * worker.LAST_RETRY_S


async def test_cancelling_lets_the_step_in_progress_finish(loop: Loop) -> None:
    begun, go = asyncio.Event(), asyncio.Event()
    finished = []

    async def step() -> bool:
        begun.set()
        await go.wait()
        finished.append(True)
        return True

    task = loop.start(step)
    await begun.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(go.set)
    await asyncio.wait([task])
    assert (task.cancelled(), finished) == (True, [True])


async def test_a_step_that_takes_too_long_is_cancelled_too(loop: Loop) -> None:
    begun = asyncio.Event()
    cancelled = []

    async def step() -> bool:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)
        return True

    task = loop.start(step, grace_s=0.01)
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), cancelled) == (True, [True])


async def test_a_step_that_fails_while_the_loop_is_cancelled_does_not_keep_it_alive(loop: Loop) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def step() -> bool:
        begun.set()
        await go.wait()
        raise RuntimeError("late")

    task = loop.start(step)
    await begun.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(go.set)
    await asyncio.wait([task])
    assert task.cancelled()


async def test_waiting_tells_whether_it_was_woken() -> None:
    wake = Wake()
    assert not await wake.wait(0)
    wake.set()
    wake.set()
    assert await wake.wait(60)
    assert not await wake.wait(0)
