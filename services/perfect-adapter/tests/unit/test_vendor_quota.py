"""The quota's arithmetic against a vendor that counts for itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perfect_adapter.quota.budget import Allowance, Budget, Demand, QuotaSubject, TaskDemand, admit, allocate
from perfect_adapter.quota.budget import allow as allow_subject

BUDGET = Budget(calls=10, window_s=30, pace=3)


def allow(budget: Budget, ages: list[float], demand: Demand) -> Allowance:
    return allow_subject(budget, QuotaSubject("key", ages), demand)


def pauses(longest_s: int) -> st.SearchStrategy[float]:
    """In steps that add up without rounding: a moment later by 1 s is later by no less and no more."""
    return st.integers(0, longest_s * 1024).map(lambda ticks: ticks / 1024)


def test_no_limits_grant_everything() -> None:
    assert allow(Budget(0, 300, 0), [0.0] * 1000, Demand(500)).count == 500


def test_a_fresh_lane_gives_what_the_pace_allows() -> None:
    assert allow(BUDGET, [], Demand(8)).count == 3


def test_a_full_window_says_when_the_oldest_call_leaves_it() -> None:
    allowance = allow(Budget(10, 30, 0), [float(age) for age in range(10, 20)], Demand(1))
    assert allowance.count == 0
    assert allowance.wait_s == 30 * 1.002 - 19


def test_creating_leaves_calls_for_the_polls_that_are_owed() -> None:
    budget = Budget(10, 300, 0)
    assert allow(budget, [1.0] * 4, Demand(9, each=2, owed=0)).count == 3
    assert allow(budget, [1.0] * 4, Demand(9, each=2, owed=4)).count == 1
    assert allow(budget, [1.0] * 5, Demand(9, each=2, owed=5)).count == 0
    assert allow(budget, [1.0] * 5, Demand(5)).count == 5


def test_creating_leaves_half_of_the_pace_to_polls() -> None:
    budget = Budget(0, 300, 5)
    assert allow(budget, [], Demand(9, each=2, owed=1)).count == 3
    assert allow(budget, [0.1] * 3, Demand(9, each=2, owed=1)).count == 0
    assert allow(budget, [0.1] * 3, Demand(9)).count == 2


@given(st.lists(st.tuples(pauses(5), st.integers(1, 8), st.booleans()), max_size=60))
def test_neither_limit_is_ever_passed_and_waiting_as_told_helps(steps: list[tuple[float, int, bool]]) -> None:
    """A model of the vendor: it counts what came in the last 30 s, and in the last second."""
    calls: list[float] = []
    now = 100.0
    for pause, wanted, creating in steps:
        now += pause
        demand = Demand(wanted, each=2, owed=1) if creating else Demand(wanted)
        allowance = allow(BUDGET, [now - at for at in reversed(calls)], demand)
        assert 0 <= allowance.count <= wanted
        assert (allowance.count == wanted) == (allowance.wait_s == 0)
        calls += [now] * allowance.count
        assert sum(at > now - BUDGET.window_s for at in calls) <= BUDGET.calls
        assert sum(at > now - 1 for at in calls) <= BUDGET.pace
        if allowance.wait_s and not creating:
            later = now + allowance.wait_s + 1e-6
            assert allow(BUDGET, [later - at for at in reversed(calls)], Demand(1)).count == 1


def test_what_key_and_address_allow_is_told_apart() -> None:
    budget = Budget(10, 300, 0)
    keys = [QuotaSubject("a", [1.0] * 6), QuotaSubject("b", [1.0] * 2)]
    allocation = allocate(budget, QuotaSubject("here"), keys, TaskDemand(4, 2))
    assert (allocation.count, allocation.by_key) == (4, {"a": 2, "b": 4})
    assert allocate(budget, QuotaSubject("here", [1.0] * 8), keys, TaskDemand(4, 2)).count == 1, (
        "the address has no more"
    )


def test_a_wait_is_given_where_only_time_helps() -> None:
    allocation = allocate(Budget(2, 300, 0), QuotaSubject("here"), [QuotaSubject("a", [10.0, 20.0])], TaskDemand(1, 2))
    assert allocation.count == 0
    assert allocation.wait_s == pytest.approx(300.6 - 10)


def test_polls_are_bound_to_their_keys() -> None:
    budget = Budget(3, 300, 0)
    keys = {"a": QuotaSubject("a", [1.0, 1.0]), "b": QuotaSubject("b")}
    admitted, wait_s = admit(budget, QuotaSubject("here"), keys, ["a", "a", "b", "gone"])
    assert admitted == [True, False, True, False]
    assert wait_s > 0


names = st.sampled_from("ab")


@given(st.lists(st.tuples(pauses(3), st.lists(names, min_size=1, max_size=5), st.booleans()), max_size=50))
def test_neither_key_nor_address_ever_passes_its_quota(steps: list[tuple[float, list[str], bool]]) -> None:
    """Against a vendor that counts for itself, when every call is answered at once."""
    made: list[tuple[float, str]] = []
    now = 0.0
    for pause, wanted, creating in steps:
        now += pause
        ages = {name: [now - at for at, key in reversed(made) if key == name] for name in "ab"}
        here = QuotaSubject("here", [now - at for at, _ in reversed(made)])
        keys = {name: QuotaSubject(name, ages[name], owed=1) for name in "ab"}
        if creating:
            allocation = allocate(BUDGET, here, list(keys.values()), TaskDemand(len(wanted), 2))
            chosen = [name for name, left in allocation.by_key.items() for _ in range(left)][: allocation.count]
        else:
            admitted, _ = admit(BUDGET, here, keys, wanted)
            chosen = [key for key, ok in zip(wanted, admitted, strict=True) if ok]
        made += [(now, key) for key in chosen]
        for counted in ([at for at, _ in made], *([at for at, key in made if key == name] for name in "ab")):
            assert sum(at > now - BUDGET.window_s for at in counted) <= BUDGET.calls
            assert sum(at > now - 1 for at in counted) <= BUDGET.pace
