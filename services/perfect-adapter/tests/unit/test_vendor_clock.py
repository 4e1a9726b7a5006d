"""What the vendor's clock says against ours."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from perfect_adapter.vendor.answers import UnitCharge
from perfect_adapter.vendor.clock import ServerDates, ahead_s, bound_by_charges, to_our_clock
from perfect_adapter.vendor.leases import Lease, now_s

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("samples", "ahead"), [([], 0.0), ([60.4], 60.4), ([60.0, 61.0, 59.0, 3.0, 60.5], 60.0), ([9000.0] * 5, 0.0)]
)
def test_one_wrong_date_changes_nothing_and_an_absurd_clock_is_none(samples: list[float], ahead: float) -> None:
    assert ahead_s(samples) == ahead


def test_what_the_history_says_of_our_own_tasks_bounds_it() -> None:
    """The history's clock is a minute behind although the answers' is right."""
    charges = [UnitCharge("t1", at(-60 + 8)), UnitCharge("foreign", at(0))]
    known = {"t1": (at(0), at(10))}
    assert bound_by_charges(0.0, charges, known) == -52
    assert bound_by_charges(-55.0, charges, known) == -55
    assert bound_by_charges(30.0, [], known) == 30


def test_bounds_that_contradict_each_other_say_nothing() -> None:
    charges = [UnitCharge("t1", at(100)), UnitCharge("t2", at(-100))]
    assert bound_by_charges(1.0, charges, {"t1": (at(0), at(10)), "t2": (at(0), at(10))}) == 1.0


def test_charges_to_our_clock() -> None:
    assert to_our_clock([UnitCharge("t1", at(60))], 60.0) == (UnitCharge("t1", at(0)),)


def test_a_date_is_taken_once_and_nonsense_never() -> None:
    dates = ServerDates()
    dates.note("soon", now_s())
    assert dates.take() is None
    dates.note(format_datetime(NOON, usegmt=True), now_s() - 60)
    assert dates.take() is None, "an answer that took a minute says little"
    dates.note(format_datetime(NOON, usegmt=True), now_s())
    found = dates.take()
    assert found is not None
    assert found[0] == NOON.timestamp() + 0.5
    assert dates.take() is None


def test_a_lease_ends() -> None:
    assert not Lease.from_now(60).is_expired
    assert Lease.from_now(0).is_expired
