"""A lane keeps its width, goes on after failures and finishes what it holds."""

import asyncio
from collections.abc import Sequence

import pytest
from closet_chassis.leased_work import Claimed, LeasedWorker
from closet_chassis.worker import Wake
from closet_devstack.testing import eventually


class Desk:
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


async def test_no_more_than_its_width_is_in_hand_and_all_gets_done() -> None:
    desk = Desk(*range(20, 40))
    running = asyncio.create_task(LeasedWorker("desk", desk.claim, desk.work, desk.renew, width=3, idle_s=60).run())
    await eventually(lambda: len(desk.at_work) == 3)
    desk.go.set()
    await eventually(lambda: len(desk.done) == 20)
    assert desk.most == 3
    await stop(running)


async def test_a_piece_that_fails_leaves_its_place_to_the_next() -> None:
    desk = Desk(13, 13, 1)
    desk.go.set()
    running = asyncio.create_task(LeasedWorker("desk", desk.claim, desk.work, desk.renew, width=1, idle_s=60).run())
    await eventually(lambda: desk.done == [1])
    await stop(running)


async def test_a_wake_brings_new_work_in_while_other_work_goes_on() -> None:
    desk, wake = Desk(1), Wake()
    running = asyncio.create_task(
        LeasedWorker("desk", desk.claim, desk.work, desk.renew, width=3, wake=wake, idle_s=60).run()
    )
    await eventually(lambda: desk.at_work == {1})
    desk.due.append(2)
    wake.set()
    await eventually(lambda: desk.at_work == {1, 2})
    desk.go.set()
    await stop(running)


async def test_a_cancelled_lane_finishes_what_it_holds_and_takes_no_more() -> None:
    desk = Desk(1, 2)
    running = asyncio.create_task(LeasedWorker("desk", desk.claim, desk.work, desk.renew, width=1, idle_s=60).run())
    await eventually(lambda: desk.at_work == {1})
    running.cancel()
    desk.go.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (desk.done, desk.due) == ([1], [2])


async def test_what_does_not_finish_in_time_is_dropped() -> None:
    desk = Desk(1)
    running = asyncio.create_task(
        LeasedWorker("desk", desk.claim, desk.work, desk.renew, width=1, idle_s=60, finish_s=0.01).run()
    )
    await eventually(lambda: desk.at_work == {1})
    await stop(running)
    assert (desk.done, desk.at_work) == ([], set())


async def test_the_leases_of_what_is_in_hand_are_renewed_even_after_a_failure() -> None:
    desk = Desk(1, 2)
    lane = LeasedWorker("desk", desk.claim, desk.work, desk.renew, width=3, idle_s=60, renew_every_s=0.005)
    running = asyncio.create_task(lane.run())
    await eventually(lambda: len(desk.renewals) > 2)
    assert desk.renewals[-1] == [1, 2]
    desk.go.set()
    await stop(running)
