"""Which orders wait for which: only those that could be taken for each other."""

from perfect_adapter.queue.assignment import Assignment, OpenOrder, alike, hold_s, still_holds
from perfect_adapter.vendor.features import FEATURES

KIOSK, SCREEN = 0, 1


def ambiguous(key: str, feature: str) -> OpenOrder:
    return OpenOrder(key, feature, is_in_hand=False, age_s=3.0)


def in_hand(key: str, feature: str) -> OpenOrder:
    return OpenOrder(key, feature, is_in_hand=True, age_s=0.1)


def test_an_ambiguous_order_stops_its_own_key_and_path_only() -> None:
    one = Assignment({"a": 5, "b": 3}, [ambiguous("a", "tryon-v4")], 1)
    assert one.fits("tryon-v4", SCREEN)
    one.assign("r1", "tryon-v4", SCREEN)
    one.assign("r2", "text2img", SCREEN)
    assert one.keys == {"r1": "b", "r2": "a"}
    assert not one.fits("tryon-v4", SCREEN), "b has one in hand, and a an ambiguous one"
    assert one.full(SCREEN) == ["tryon-v4"]


def test_features_that_share_a_path_wait_for_each_other() -> None:
    """A poll cannot tell their tasks apart."""
    assert set(alike("skin")) == {name for name, each in FEATURES.items() if each.path == FEATURES["skin"].path}
    one = Assignment({"a": 5}, [ambiguous("a", "skin-hd")], 1)
    assert not one.fits("skin", SCREEN)
    assert one.fits("hairstyle", SCREEN)


def test_a_kiosk_passes_one_ambiguous_order_but_none_in_hand_and_not_two() -> None:
    assert Assignment({"a": 5}, [ambiguous("a", "edit")], 1).fits("edit", KIOSK)
    assert not Assignment({"a": 5}, [in_hand("a", "edit")], 1).fits("edit", KIOSK)
    assert not Assignment({"a": 5}, [ambiguous("a", "edit")] * 2, 1).fits("edit", KIOSK)


def test_keys_get_no_more_than_they_allow_and_the_emptiest_is_first() -> None:
    one = Assignment({"a": 1, "b": 2}, [], 9)
    for number in range(3):
        one.assign(f"r{number}", "edit", SCREEN)
    assert list(one.keys.values()) == ["b", "a", "b"]
    assert one.full(KIOSK) == list(FEATURES)


def test_a_hold_ends_when_a_search_after_twice_the_typical_time_showed_nothing() -> None:
    early = OpenOrder("a", "edit", is_in_hand=False, age_s=30.0, searched_s=15.0)
    late = OpenOrder("a", "edit", is_in_hand=False, age_s=30.0, searched_s=21.0)
    assert still_holds(early, 10.0, 120.0)
    assert not still_holds(late, 10.0, 120.0)
    assert hold_s(10.0) == 20.0


def test_a_hold_ends_at_the_latest_when_the_wait_is_over() -> None:
    """When no search brings an answer; what was not searched for yet, as after an outage of ours, is waited for."""
    assert not still_holds(OpenOrder("a", "edit", is_in_hand=False, age_s=130.0, failed_searches=3), 10.0, 120.0)
    assert still_holds(OpenOrder("a", "edit", is_in_hand=False, age_s=119.0, failed_searches=6), 10.0, 120.0)
    assert still_holds(OpenOrder("a", "edit", is_in_hand=False, age_s=999.0, failed_searches=2), 10.0, 120.0)
    assert still_holds(OpenOrder("a", "edit", is_in_hand=True, age_s=999.0), 10.0, 120.0), (
        "its worker decides, or the sweep"
    )
