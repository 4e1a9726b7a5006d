"""The table of features: what is documented is what is asked for; bodies and sizes as published."""

from pathlib import Path

import pytest
from closet_contracts.work import Category, Concern, Edit, Hairstyle, Role, Size, SkinAnalysis, TextToImage, TryOn
from hypothesis import given
from hypothesis import strategies as st
from perfect_adapter.vendor.bodies import TEXT_SIZES, Reference, our_concern, vendor_concern
from perfect_adapter.vendor.features import FEATURES, Feature, FeatureOptions, feature_of
from perfect_adapter.vendor.sizes import nearest, within_bounds

FEATURES_PAGE = Path(__file__).parents[2] / "docs/features.md"
REFS = {role: Reference("url", f"https://s3/{role.value}") for role in Role}
USER = "u-1"


def _row(feature: Feature) -> str:
    inputs = ", ".join(f"{role.value} {_limits(feature, role)}".strip() for role in feature.inputs) or "none"
    is_skin = feature.name.startswith("skin")
    one, all_of = (
        feature.units(SkinAnalysis.model_construct(actions=tuple(Concern)[:count], hd="hd" in feature.name))
        for count in (1, len(Concern))
    )
    cost = f"{one}-{all_of}" if is_skin else str(one)
    return f"| `{feature.name}` | `{feature.path}` | {inputs} | {feature.result.value} | {cost} |"


def _limits(feature: Feature, role: Role) -> str:
    limits = feature.inputs[role]
    if limits.like:
        return f"(as large as the {limits.like.value})"
    parts = [
        f"{limits.min_short}+" if limits.min_short else "",
        f"at most {limits.max_long}" if limits.max_long else "",
    ]
    return f"({' '.join(filter(None, parts))}{', JPEG' if limits.jpeg_only else ''})"


def test_the_readme_shows_the_table() -> None:
    """Change it with the table; pixels are of the short side at least, of the long side at most."""
    rows = ["| feature | path | inputs (pixels) | result | units |", "|---|---|---|---|---|"]
    rows += [_row(feature) for feature in FEATURES.values()]
    shown = FEATURES_PAGE.read_text().split("<!-- features -->\n")[1].split("<!-- /features -->")[0]
    assert shown.strip().splitlines() == rows


@given(st.integers(64, 4096), st.integers(64, 4096))
def test_sizes_are_such_as_the_vendor_makes(width: int, height: int) -> None:
    made = within_bounds(width, height)
    assert all(512 <= side <= 2048 and side % 16 == 0 for side in made)
    if min(width, height) >= 512 and max(width, height) <= 2048:
        assert abs(made[0] - width) <= 8
        assert abs(made[1] - height) <= 8
    assert nearest(width, height, TEXT_SIZES) in TEXT_SIZES


@pytest.mark.parametrize(
    ("asked", "made"), [((1024, 1024), (1328, 1328)), ((2048, 1536), (1472, 1104)), ((900, 1600), (928, 1664))]
)
def test_the_shape_decides(asked: tuple[int, int], made: tuple[int, int]) -> None:
    assert nearest(*asked, TEXT_SIZES) == made


def test_bodies() -> None:
    options = FeatureOptions()
    text = feature_of(TextToImage(prompt="p" * 800), (), options, USER).body(TextToImage(prompt="p" * 800), REFS)
    assert (len(text["prompt"]), text["size"], text["model"]) == (800, "1328*1328", "youcam-image-v2")
    edit = Edit(prompt="red", size=Size(width=100, height=4000))
    assert feature_of(edit, {Role.IMAGE}, options, USER).body(edit, REFS)["src_file_urls"] == ["https://s3/image"]
    masked = feature_of(edit, {Role.IMAGE, Role.MASK}, options, USER).body(edit, REFS)
    assert masked == {"src_file_url": "https://s3/image", "msk_file_url": "https://s3/mask", "prompt": "red"}
    hair = Hairstyle(template_id="t")
    assert feature_of(hair, {Role.IMAGE}, options, USER).body(hair, REFS)["template_id"] == "t"
    files = {role: Reference("id", "f/+=") for role in Role}
    old = TryOn(category=Category.OUTERWEAR)
    assert feature_of(old, (), FeatureOptions("v3"), USER).body(old, files)["src_file_id"] == "f/+="


@pytest.mark.parametrize("hd", [False, True])
def test_concerns_are_never_mixed(hd: bool) -> None:
    for concern in Concern:
        name = vendor_concern(concern, hd=hd)
        assert name.startswith("hd_") == hd
        assert our_concern(name) == concern.value


def test_the_flag_is_the_users_for_good() -> None:
    half = FeatureOptions(v2_share=0.5)
    users = [f"u-{n}" for n in range(2000)]
    speaks = [half.uses_v2(user) for user in users]
    assert speaks == [half.uses_v2(user) for user in users]
    assert 850 < sum(speaks) < 1150
    assert all(FeatureOptions(v2_share=0.6).uses_v2(user) for user, yes in zip(users, speaks, strict=True) if yes)
    assert all(FeatureOptions(v2_share=1.0).uses_v2(user) for user in users)
    assert not any(FeatureOptions(v2_share=0.0).uses_v2(user) for user in users)
    assert feature_of(TryOn(), (), FeatureOptions(v2_share=0), USER).is_classic
    assert not feature_of(SkinAnalysis(actions=(Concern.ACNE,)), (), FeatureOptions(v2_share=0), USER).is_classic
