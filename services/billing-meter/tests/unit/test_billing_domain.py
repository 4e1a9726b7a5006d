"""Prices that were agreed to, and how long a hold lasts."""

from datetime import UTC, datetime, timedelta

import pytest
from billing_meter.domain import describe, hold_expiry, insufficient, is_agreed
from closet_contracts.credit import Chargeable, Price, PriceBook, price

BOOK = PriceBook(version="2026-01", credits={"tryon": 5, "text2img": 3})
ITEM = Chargeable(kind="tryon")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_the_price_that_the_book_says_is_agreed() -> None:
    assert is_agreed(BOOK, ITEM, price(BOOK, ITEM))


@pytest.mark.parametrize(
    "other",
    [
        Price(credits=4, usd_cents=50, book_version="2026-01"),
        Price(credits=6, usd_cents=60, book_version="2026-01"),
        Price(credits=5, usd_cents=40, book_version="2026-01"),
        Price(credits=5, usd_cents=50, book_version="2025-12"),
    ],
    ids=str,
)
def test_any_other_price_is_not(other: Price) -> None:
    assert not is_agreed(BOOK, ITEM, other)


def test_nothing_is_agreed_without_a_book_or_for_what_it_does_not_sell() -> None:
    agreed = price(BOOK, ITEM)
    assert not is_agreed(None, ITEM, agreed)
    assert not is_agreed(BOOK, Chargeable(kind="edit"), agreed)
    assert not is_agreed(BOOK, Chargeable(kind="tryon", units=9), agreed)


def test_a_hold_outlives_its_job_by_the_ttl_also_when_the_job_is_late_already() -> None:
    hour = timedelta(hours=1)
    assert hold_expiry(NOON, NOON + timedelta(minutes=15), hour) == NOON + timedelta(minutes=75)
    assert hold_expiry(NOON, NOON - timedelta(days=1), hour) == NOON + hour


def test_words_for_persons() -> None:
    large = Chargeable(kind="text2img", units=2, pixels=2048 * 2048)
    assert describe(ITEM, price(BOOK, ITEM)) == "tryon: 5 credits ($0.50)"
    assert describe(large, price(BOOK, large)) == "2 x text2img: 9 credits ($0.90)"
    assert insufficient(5, 3).message == "This costs 5 credits, and 3 are available."
