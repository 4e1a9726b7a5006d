"""Prices that were agreed to, quotes, thresholds, and how long a hold lasts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from billing_meter.domain.movements import hold_expiry, is_notification_due, threshold_above
from billing_meter.domain.prices import (
    PRICE_CHANGED,
    QUOTE_INVALID,
    PricedJob,
    StoredQuote,
    denial_by_book,
    denial_by_quote,
    describe,
    insufficient_credits,
)
from closet_contracts.credit import Chargeable, Price, PriceBook, price
from closet_contracts.ids import new_id

BOOK = PriceBook(version="2026-01", credits={"tryon": 5, "text2img": 3}, overrides={"acme": {"tryon": 4}})
ITEM = Chargeable(kind="tryon")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def asked(agreed: Price, item: Chargeable = ITEM, tenant: str = "zara") -> PricedJob:
    return PricedJob(new_id("job"), tenant, "u-1", item, agreed)


def test_the_price_that_the_book_says_is_agreed() -> None:
    assert denial_by_book(BOOK, asked(price(BOOK, ITEM))) is None


def test_a_tenant_with_prices_of_its_own_pays_those_and_the_rest_by_the_list() -> None:
    own = price(BOOK.of("acme"), ITEM)
    assert (own.credits, own.book_version) == (4, "2026-01")
    assert denial_by_book(BOOK, asked(own, tenant="acme")) is None
    assert denial_by_book(BOOK, asked(price(BOOK, ITEM), tenant="acme")) is PRICE_CHANGED
    assert denial_by_book(BOOK, asked(own)) is PRICE_CHANGED
    assert price(BOOK.of("acme"), Chargeable(kind="text2img")).credits == 3


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
    assert denial_by_book(BOOK, asked(other)) is PRICE_CHANGED


def test_nothing_is_agreed_without_a_book_or_for_what_it_does_not_sell() -> None:
    agreed = price(BOOK, ITEM)
    assert denial_by_book(None, asked(agreed)) is PRICE_CHANGED
    assert denial_by_book(BOOK, asked(agreed, Chargeable(kind="edit"))) is PRICE_CHANGED
    assert denial_by_book(BOOK, asked(agreed, Chargeable(kind="tryon", units=9))) is PRICE_CHANGED


def test_a_jobs_id_says_when_it_was_asked_for() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= asked(price(BOOK, ITEM)).asked_at <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({}, None),
        ({"tenant_id": "evil"}, QUOTE_INVALID),
        ({"user_id": "u-2"}, QUOTE_INVALID),
        ({"item": Chargeable(kind="tryon", pixels=2048 * 2048)}, QUOTE_INVALID),
        ({"expires_at": NOON}, QUOTE_INVALID),
        ({"price": Price(credits=1, usd_cents=10, book_version="2025-01")}, PRICE_CHANGED),
    ],
    ids=str,
)
def test_a_quote_holds_for_its_tenant_its_user_its_work_its_time_and_its_price(change: Any, refusal: Any) -> None:
    agreed = Price(credits=2, usd_cents=20, book_version="2025-01")  # whatever the book says by now
    quote = StoredQuote("zara", "u-1", ITEM, agreed, datetime.now(UTC) + timedelta(minutes=15))
    assert denial_by_quote(replace(quote, **change), asked(agreed)) is refusal


def test_a_quote_that_nobody_gave_is_invalid() -> None:
    assert denial_by_quote(None, asked(price(BOOK, ITEM))) is QUOTE_INVALID


@pytest.mark.parametrize(("available", "threshold"), [(100, None), (99, 100), (20, 100), (19, 20), (0, 20)])
def test_the_lowest_threshold_counts(available: int, threshold: int | None) -> None:
    assert threshold_above([100, 20], available) == threshold


def test_a_threshold_is_news_until_it_or_a_lower_one_was_told() -> None:
    assert is_notification_due(100, None)
    assert is_notification_due(20, 100)
    assert not is_notification_due(100, 100)
    assert not is_notification_due(100, 20)
    assert not is_notification_due(None, None)


def test_a_hold_outlives_its_job_by_the_ttl_also_when_the_job_is_late_already() -> None:
    hour = timedelta(hours=1)
    assert hold_expiry(NOON, NOON + timedelta(minutes=15), hour) == NOON + timedelta(minutes=75)
    assert hold_expiry(NOON, NOON - timedelta(days=1), hour) == NOON + hour


def test_words_for_persons() -> None:
    large = Chargeable(kind="text2img", units=2, pixels=2048 * 2048)
    assert describe(ITEM, price(BOOK, ITEM)) == "tryon: 5 credits ($0.50)"
    assert describe(large, price(BOOK, large)) == "2 x text2img: 9 credits ($0.90)"
    assert insufficient_credits(5, 3).message == "This costs 5 credits, and 3 are available."
