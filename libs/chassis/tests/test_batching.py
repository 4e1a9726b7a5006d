"""Natural batching groups what waits, and fails alone what is bad."""

import asyncio
from collections.abc import Sequence

import pytest
from closet_chassis.batching import Batcher
from closet_chassis.telemetry import current_traceparent, span_from


class Doubler:
    """Doubles numbers; holds the first group until told to go on."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(items))
        self.begun.set()
        await self.go.wait()
        if 13 in items:
            raise ValueError("thirteen")
        if 99 in items:
            raise ConnectionRefusedError
        return [2 * item for item in items]


async def test_what_arrives_while_a_group_is_handled_is_the_next_group() -> None:
    doubler = Doubler()
    batcher = Batcher(doubler, limit=3)
    answers = [asyncio.create_task(batcher.submit(0))]
    await doubler.begun.wait()
    answers += [asyncio.create_task(batcher.submit(item)) for item in range(1, 6)]
    await asyncio.sleep(0)
    doubler.go.set()
    assert await asyncio.gather(*answers) == [0, 2, 4, 6, 8, 10]
    assert doubler.groups == [[0], [1, 2, 3], [4, 5]]


async def test_a_bad_item_fails_alone() -> None:
    doubler = Doubler()
    doubler.go.set()
    batcher = Batcher(doubler)
    answers = await asyncio.gather(*(batcher.submit(item) for item in (1, 13, 2)), return_exceptions=True)
    assert [answers[0], answers[2]] == [2, 4]
    assert isinstance(answers[1], ValueError)


async def test_a_database_that_is_away_is_asked_once_for_the_whole_group() -> None:
    doubler = Doubler()
    doubler.go.set()
    batcher = Batcher(doubler)
    answers = await asyncio.gather(*(batcher.submit(item) for item in (1, 99, 2)), return_exceptions=True)
    assert all(isinstance(answer, ConnectionRefusedError) for answer in answers)
    assert len(doubler.groups) == 1


async def test_a_cancelled_caller_costs_the_others_nothing() -> None:
    doubler = Doubler()
    batcher = Batcher(doubler)
    tasks = [asyncio.create_task(batcher.submit(item)) for item in (1, 2)]
    await doubler.begun.wait()
    tasks[0].cancel()
    doubler.go.set()
    assert await tasks[1] == 4
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_a_group_belongs_to_no_callers_trace() -> None:
    seen: list[str | None] = []

    async def note(items: Sequence[int]) -> Sequence[int]:
        seen.append(current_traceparent())
        return items

    with span_from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "caller"):
        await Batcher(note).submit(1)
    assert seen == [None]


async def test_a_batcher_that_is_cancelled_cancels_what_is_in_progress_and_what_waits() -> None:
    begun = asyncio.Event()
    undone: list[int] = []

    async def handle(items: Sequence[int]) -> Sequence[int]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            undone.extend(items)
        return items

    batcher = Batcher(handle)
    callers = [asyncio.create_task(batcher.submit(1))]
    await begun.wait()
    callers.append(asyncio.create_task(batcher.submit(2)))
    await asyncio.sleep(0)  # it waits now
    batcher.cancel()
    await asyncio.wait(callers)
    assert all(caller.cancelled() for caller in callers)
    assert undone == [1], "what waited was never begun"
