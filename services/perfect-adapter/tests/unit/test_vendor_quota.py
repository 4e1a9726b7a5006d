"""The quota's arithmetic against a vendor that counts for itself."""

from hypothesis import given
from hypothesis import strategies as st
from perfect_adapter.domain.quota import Budget, Wish, grant

BUDGET = Budget(calls=10, window_s=30, pace=3)


def test_no_limits_grant_everything() -> None:
    assert grant(Budget(0, 300, 0), [0.0] * 1000, Wish(500)).count == 500


def test_a_fresh_lane_gives_what_the_pace_allows() -> None:
    assert grant(BUDGET, [], Wish(8)).count == 3


def test_a_full_window_says_when_the_oldest_call_leaves_it() -> None:
    granted = grant(Budget(10, 30, 0), [float(age) for age in range(10, 20)], Wish(1))
    assert granted.count == 0
    assert granted.wait_s == 30 * 1.02 - 19


def test_creating_leaves_room_for_the_looks_that_are_owed() -> None:
    budget = Budget(10, 300, 0)
    assert grant(budget, [1.0] * 4, Wish(9, each=2, owed=0)).count == 3
    assert grant(budget, [1.0] * 4, Wish(9, each=2, owed=4)).count == 1
    assert grant(budget, [1.0] * 5, Wish(9, each=2, owed=5)).count == 0
    assert grant(budget, [1.0] * 5, Wish(5)).count == 5


def test_creating_leaves_half_of_the_pace_to_looks() -> None:
    budget = Budget(0, 300, 5)
    assert grant(budget, [], Wish(9, each=2, owed=1)).count == 3
    assert grant(budget, [0.1] * 3, Wish(9, each=2, owed=1)).count == 0
    assert grant(budget, [0.1] * 3, Wish(9)).count == 2


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 8), st.booleans()), max_size=60))
def test_neither_limit_is_ever_passed_and_waiting_as_told_helps(steps: list[tuple[float, int, bool]]) -> None:
    """A model of the vendor: it counts what came in the last 30 s, and in the last second."""
    calls: list[float] = []
    now = 100.0
    for pause, wanted, creating in steps:
        now += pause
        wish = Wish(wanted, each=2, owed=1) if creating else Wish(wanted)
        granted = grant(BUDGET, [now - at for at in reversed(calls)], wish)
        assert 0 <= granted.count <= wanted
        assert (granted.count == wanted) == (granted.wait_s == 0)
        calls += [now] * granted.count
        assert sum(at > now - BUDGET.window_s for at in calls) <= BUDGET.calls
        assert sum(at > now - 1 for at in calls) <= BUDGET.pace
        if granted.wait_s and not creating:
            later = now + granted.wait_s + 1e-6
            assert grant(BUDGET, [later - at for at in reversed(calls)], Wish(1)).count == 1
