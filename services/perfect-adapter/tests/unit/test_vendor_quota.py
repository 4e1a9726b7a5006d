"""The quota's arithmetic against a vendor that counts for itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perfect_adapter.domain.quota import Budget, Grant, Order, Party, Wish, admit, allot
from perfect_adapter.domain.quota import grant as grant_to

BUDGET = Budget(calls=10, window_s=30, pace=3)


def grant(budget: Budget, ages: list[float], wish: Wish) -> Grant:
    return grant_to(budget, Party("key", ages), wish)


def pauses(longest_s: int) -> st.SearchStrategy[float]:
    """In steps that add up without rounding: a moment later by 1 s is later by no less and no more."""
    return st.integers(0, longest_s * 1024).map(lambda ticks: ticks / 1024)


def test_no_limits_grant_everything() -> None:
    assert grant(Budget(0, 300, 0), [0.0] * 1000, Wish(500)).count == 500


def test_a_fresh_lane_gives_what_the_pace_allows() -> None:
    assert grant(BUDGET, [], Wish(8)).count == 3


def test_a_full_window_says_when_the_oldest_call_leaves_it() -> None:
    granted = grant(Budget(10, 30, 0), [float(age) for age in range(10, 20)], Wish(1))
    assert granted.count == 0
    assert granted.wait_s == 30 * 1.002 - 19


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


@given(st.lists(st.tuples(pauses(5), st.integers(1, 8), st.booleans()), max_size=60))
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


def test_what_key_and_address_allow_is_told_apart() -> None:
    budget = Budget(10, 300, 0)
    keys = [Party("a", [1.0] * 6), Party("b", [1.0] * 2)]
    allotment = allot(budget, Party("here"), keys, Order(4, 2))
    assert (allotment.count, allotment.rooms) == (4, {"a": 2, "b": 4})
    assert allot(budget, Party("here", [1.0] * 8), keys, Order(4, 2)).count == 1, "the address has no more"


def test_a_wait_is_told_where_only_time_helps() -> None:
    allotment = allot(Budget(2, 300, 0), Party("here"), [Party("a", [10.0, 20.0])], Order(1, 2))
    assert allotment.count == 0
    assert allotment.wait_s == pytest.approx(300.6 - 10)


def test_looks_are_bound_to_their_keys() -> None:
    budget = Budget(3, 300, 0)
    keys = {"a": Party("a", [1.0, 1.0]), "b": Party("b")}
    admitted, wait_s = admit(budget, Party("here"), keys, ["a", "a", "b", "gone"])
    assert admitted == [True, False, True, False]
    assert wait_s > 0


parties = st.sampled_from("ab")


@given(st.lists(st.tuples(pauses(3), st.lists(parties, min_size=1, max_size=5), st.booleans()), max_size=50))
def test_neither_key_nor_address_ever_passes_its_quota(steps: list[tuple[float, list[str], bool]]) -> None:
    """Against a vendor that counts for itself, when every call is answered at once."""
    made: list[tuple[float, str]] = []
    now = 0.0
    for pause, wanted, creating in steps:
        now += pause
        ages = {name: [now - at for at, key in reversed(made) if key == name] for name in "ab"}
        here = Party("here", [now - at for at, _ in reversed(made)])
        keys = {name: Party(name, ages[name], owed=1) for name in "ab"}
        if creating:
            allotment = allot(BUDGET, here, list(keys.values()), Order(len(wanted), 2))
            chosen = [name for name, room in allotment.rooms.items() for _ in range(room)][: allotment.count]
        else:
            admitted, _ = admit(BUDGET, here, keys, wanted)
            chosen = [key for key, ok in zip(wanted, admitted, strict=True) if ok]
        made += [(now, key) for key in chosen]
        for counted in ([at for at, _ in made], *([at for at, key in made if key == name] for name in "ab")):
            assert sum(at > now - BUDGET.window_s for at in counted) <= BUDGET.calls
            assert sum(at > now - 1 for at in counted) <= BUDGET.pace
