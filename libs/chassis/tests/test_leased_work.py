"""A lane keeps its width, goes on after failures and finishes what it holds."""

import asyncio
from collections.abc import Sequence

import pytest
from closet_chassis.leased_work import Claimed, LeasedWorker
from closet_chassis.worker import Wake
from closet_devstack.testing import eventually


class Work:
    """Hands out numbers, and records who is at work and what is done."""

    def __init__(self, *items: int) -> None:
        self.due = list(items)
        self.at_work: set[int] = set()
        self.done: list[int] = []
        self.renewals: list[list[int]] = []
        self.most = 0
        self.go = asyncio.Event()

    async def claim(self, limit: int) -> Claimed[int]:
        taken, self.due = self.due[:limit], self.due[limit:]
        return Claimed(taken)

    async def renew(self, items: Sequence[int]) -> None:
        self.renewals.append(list(items))
        if len(self.renewals) == 1:
            raise ConnectionRefusedError

    async def work(self, item: int) -> None:
        self.at_work.add(item)
        self.most = max(self.most, len(self.at_work))
        try:
            await self.go.wait()
            if item == 13:
                raise ValueError("thirteen")
            self.done.append(item)
        finally:
            self.at_work.discard(item)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_no_more_than_its_concurrency_is_in_hand_and_all_gets_done() -> None:
    items = Work(*range(20, 40))
    running = asyncio.create_task(
        LeasedWorker("items", items.claim, items.work, items.renew, concurrency=3, idle_s=60).run()
    )
    await eventually(lambda: len(items.at_work) == 3)
    items.go.set()
    await eventually(lambda: len(items.done) == 20)
    assert items.most == 3
    await stop(running)


async def test_a_piece_that_fails_leaves_its_place_to_the_next() -> None:
    items = Work(13, 13, 1)
    items.go.set()
    running = asyncio.create_task(
        LeasedWorker("items", items.claim, items.work, items.renew, concurrency=1, idle_s=60).run()
    )
    await eventually(lambda: items.done == [1])
    await stop(running)


async def test_a_wake_brings_new_work_in_while_other_work_goes_on() -> None:
    items, wake = Work(1), Wake()
    running = asyncio.create_task(
        LeasedWorker("items", items.claim, items.work, items.renew, concurrency=3, wake=wake, idle_s=60).run()
    )
    await eventually(lambda: items.at_work == {1})
    items.due.append(2)
    wake.set()
    await eventually(lambda: items.at_work == {1, 2})
    items.go.set()
    await stop(running)


async def test_a_cancelled_worker_finishes_what_it_holds_and_takes_no_more() -> None:
    items = Work(1, 2)
    running = asyncio.create_task(
        LeasedWorker("items", items.claim, items.work, items.renew, concurrency=1, idle_s=60).run()
    )
    await eventually(lambda: items.at_work == {1})
    running.cancel()
    items.go.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (items.done, items.due) == ([1], [2])


async def test_what_does_not_finish_in_time_is_dropped() -> None:
    items = Work(1)
    running = asyncio.create_task(
        LeasedWorker("items", items.claim, items.work, items.renew, concurrency=1, idle_s=60, finish_s=0.01).run()
    )
    await eventually(lambda: items.at_work == {1})
    await stop(running)
    assert (items.done, items.at_work) == ([], set())


async def test_the_leases_of_what_is_in_hand_are_renewed_even_after_a_failure() -> None:
    items = Work(1, 2)
    lane = LeasedWorker("items", items.claim, items.work, items.renew, concurrency=3, idle_s=60, renew_every_s=0.005)
    running = asyncio.create_task(lane.run())
    await eventually(lambda: len(items.renewals) > 2)
    assert items.renewals[-1] == [1, 2]
    items.go.set()
    await stop(running)
