"""The price rule, over its whole table."""

import pytest
from closet_contracts.credit import Chargeable, Kind, PriceBook, Tier, Unpriceable, price
from closet_contracts.work import Concern, SkinAnalysis
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

BOOK = PriceBook(
    version="t", credits={"tryon": 5, "text2img": 3, "edit": 4, "hairstyle": 5, "skin-analysis": 4, "batch": 2}
)


@pytest.mark.parametrize(
    ("kind", "units", "pixels", "credits"),
    [
        ("tryon", 1, 0, 5),
        ("tryon", 1, 1024 * 1024, 5),
        ("tryon", 1, 1024 * 1024 + 1, 8),
        ("tryon", 1, 2048 * 2048, 8),
        ("text2img", 1, 1024 * 1024, 3),
        ("text2img", 3, 2048 * 2048, 14),
        ("edit", 2, 0, 8),
        ("hairstyle", 1, 0, 5),
        ("skin-analysis", 1, 0, 4),
        ("batch", 50, 0, 100),
    ],
)
def test_the_table(kind: Kind, units: int, pixels: int, credits: int) -> None:
    found = price(BOOK, Chargeable(kind=kind, units=units, pixels=pixels))
    assert (found.credits, found.usd_cents, found.book_version) == (credits, credits * 10, "t")


TIERS = {
    "sd": [(4, 18), (8, 24), (12, 28), (16, 32)],
    "hd": [(4, 24), (8, 32), (12, 40), (16, 44)],
}
TIERED = BOOK.model_copy(
    update={
        "tiers": {
            "skin-analysis": {
                variant: tuple(Tier(up_to=up_to, credits=credits) for up_to, credits in rows)
                for variant, rows in TIERS.items()
            }
        }
    }
)


@pytest.mark.parametrize("hd", [False, True])
@pytest.mark.parametrize("count", range(1, 17))
def test_skin_analysis_costs_what_its_tier_costs(count: int, hd: bool) -> None:
    item = SkinAnalysis(actions=tuple(Concern)[:count], hd=hd).chargeable()
    expected = next(credits for up_to, credits in TIERS["hd" if hd else "sd"] if count <= up_to)
    assert price(TIERED, item).credits == expected
    assert price(BOOK, item).credits == 4, "a job that was sold by the older book costs what that says"
    own = TIERED.model_copy(update={"overrides": {"acme": {"skin-analysis": 7}}}).of("acme")
    assert price(own, item).credits == 7


@pytest.mark.parametrize(("variant", "quantity"), [("sd", 0), ("sd", 17), ("uhd", 4), (None, 4)])
def test_what_no_tier_covers_is_refused_not_guessed(variant: str | None, quantity: int) -> None:
    with pytest.raises(Unpriceable):
        price(TIERED, Chargeable(kind="skin-analysis", variant=variant, quantity=quantity))


def test_an_unknown_kind_is_refused_not_guessed() -> None:
    with pytest.raises(ValidationError):
        Chargeable.model_validate({"kind": "video"})
    with pytest.raises(Unpriceable):
        price(PriceBook(version="t", credits={"tryon": 5}), Chargeable(kind="edit"))


def test_unbounded_variants_are_refused() -> None:
    with pytest.raises(Unpriceable):
        price(BOOK, Chargeable(kind="text2img", units=9))


@pytest.mark.parametrize("units", [0, -1])
def test_senseless_counts_are_refused(units: int) -> None:
    with pytest.raises(ValidationError):
        Chargeable(kind="tryon", units=units)


@given(units=st.integers(1, 8), pixels=st.integers(0, 4096 * 4096))
def test_rounding_never_undercharges_nor_exceeds_one_credit(units: int, pixels: int) -> None:
    charged = price(BOOK, Chargeable(kind="text2img", units=units, pixels=pixels)).credits
    exact = 3 * units * (1.5 if pixels > 1024 * 1024 else 1)
    assert exact <= charged < exact + 1
