"""Dunning, retries, what is worth sending again, and what goes back with a payment."""

from datetime import UTC, datetime, timedelta

import pytest
from billing_meter.domain.stripe import (
    USAGE_ACCEPTED_FOR,
    credits_returned,
    dunning_state,
    is_worth_repeating,
    retry_after,
    suspended_from,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("status", "overdue_since", "suspended"),
    [
        ("active", None, None),
        ("active", NOON, None),
        ("past_due", NOON, NOON + WEEK),
        ("unpaid", NOON, NOON),
        ("canceled", NOON, None),
        ("trialing", None, None),
    ],
)
def test_when_nothing_new_is_held(status: str, overdue_since: datetime | None, suspended: datetime | None) -> None:
    assert suspended_from(status, overdue_since, WEEK) == suspended


def test_dunning_has_three_states() -> None:
    states = [dunning_state(since, NOON) for since in (None, NOON + WEEK, NOON, NOON - WEEK)]
    assert states == ["current", "overdue", "suspended", "suspended"]


def test_retries_come_ever_later_but_not_for_ever() -> None:
    delays = [retry_after(attempts).total_seconds() for attempts in (1, 2, 3, 12, 13, 50)]
    assert delays == [1, 2, 4, 2048, 3600, 3600]


def test_usage_is_sent_again_while_stripe_takes_it_and_may_count_it() -> None:
    assert is_worth_repeating("no_meter", NOON, NOON)
    assert not is_worth_repeating("timestamp_too_far_in_past", NOON, NOON)
    assert is_worth_repeating("no_meter", NOON, NOON + USAGE_ACCEPTED_FOR - timedelta(hours=2))
    assert not is_worth_repeating("no_meter", NOON, NOON + USAGE_ACCEPTED_FOR - timedelta(minutes=59))


@pytest.mark.parametrize(("back", "credits"), [(0, 0), (1, 0), (19, 1), (1000, 100), (1005, 100), (9999, 100)])
def test_as_many_credits_go_as_money_went_and_no_more_than_there_were(back: int, credits: int) -> None:
    assert credits_returned(100, 1000, back) == credits
