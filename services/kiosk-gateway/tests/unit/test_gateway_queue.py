"""How long a job waits: fair between tenants, the more urgent first, never promised shorter than it is."""

import math
from collections import Counter

import pytest
from closet_contracts.generation import Priority
from hypothesis import given
from hypothesis import strategies as st
from kiosk_gateway.domain.capacity import UNKNOWN_CAPACITY, Backlog, Capacity, Queue, tasks_ahead

LIVE, INTERACTIVE, BATCH = Priority
backlogs = st.dictionaries(st.tuples(st.sampled_from("abcd"), st.sampled_from(Priority)), st.integers(0, 60))


def test_a_tenant_with_much_waiting_does_not_hold_up_one_with_little() -> None:
    waiting = {("crowd", INTERACTIVE): 500, ("few", INTERACTIVE): 2}
    assert tasks_ahead(waiting, "few", INTERACTIVE, 1) == 3 + 2
    assert tasks_ahead(waiting, "crowd", INTERACTIVE, 1) == 2 + 500
    assert tasks_ahead(waiting, "new", INTERACTIVE, 1) == 1 + 1


def test_what_is_more_urgent_goes_first_and_what_is_less_does_not_count() -> None:
    waiting = {("a", LIVE): 7, ("a", INTERACTIVE): 3, ("b", BATCH): 100}
    assert tasks_ahead(waiting, "new", LIVE, 1) == 1
    assert tasks_ahead(waiting, "new", INTERACTIVE, 1) == 7 + 1
    assert tasks_ahead(waiting, "new", BATCH, 50) == 7 + 3 + 50 + 49


@given(backlogs, st.sampled_from("abcde"), st.sampled_from(Priority), st.integers(1, 50))
def test_a_place_is_what_taking_turns_gives(waiting: Backlog, tenant: str, priority: Priority, items: int) -> None:
    """Held against a waiting room that is played: one task of each tenant in turn, the urgent classes first."""
    rooms = {each: {who: n for (who, at), n in waiting.items() if at is each and n} for each in Priority}
    rooms[priority][tenant] = rooms[priority].get(tenant, 0) + items
    place = sum(sum(rooms[each].values()) for each in list(Priority)[: list(Priority).index(priority)])
    room = rooms[priority]
    while room[tenant]:
        # Ours is the last to have its turn: no order of turns is worse.
        for who in sorted(room, key=lambda who: who == tenant):
            if room[who]:
                room[who] -= 1
                place += 1
    assert tasks_ahead(waiting, tenant, priority, items) == place - 1


@pytest.mark.parametrize(
    ("capacity", "tasks", "wait_s"),
    [
        (UNKNOWN_CAPACITY, 10**6, 0),
        (Capacity(available=True, per_minute=None), 10**6, 0),
        (Capacity(available=True, per_minute=120.0), 0, 0),
        (Capacity(available=True, per_minute=120.0), 30, 15),
        (Capacity(available=True, per_minute=0.0), 1, math.inf),
        (Capacity(available=False, per_minute=120.0), 0, math.inf),
        (Capacity(available=True, per_minute=120.0, stopped_s=40.0), 0, 40),
        (Capacity(available=True, per_minute=120.0, stopped_s=40.0), 30, 55),
        (Capacity(available=True, per_minute=None, stopped_s=40.0), 30, 40),
    ],
)
def test_a_wait_is_a_place_over_a_rate(capacity: Capacity, tasks: int, wait_s: float) -> None:
    assert capacity.wait_s(tasks) == wait_s


def test_what_was_taken_on_counts_at_once() -> None:
    queue = Queue(Capacity(available=True, per_minute=60.0), Counter())
    waits = []
    for _ in range(3):
        waits.append(queue.wait_s("a", INTERACTIVE, 1))
        queue.add("a", INTERACTIVE, 1)
    assert waits == [0, 1, 2]
    assert queue.wait_s("b", INTERACTIVE, 1) == 1
