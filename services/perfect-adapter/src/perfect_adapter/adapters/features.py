"""The table of features: how each kind of work is asked for. A new feature is one row and its mapping."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from closet_contracts.work import Category, Role, TryOn

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Feature:
    """One kind of task: its path, what it costs (in the vendor's units), and the body of its creation."""

    path: str
    units: int
    body: Callable[[Any, Mapping[Role, str]], Body]


_GARMENTS = {
    Category.TOP: "upper_body",
    Category.BOTTOM: "lower_body",
    Category.DRESS: "full_body",
    Category.OUTERWEAR: "outer",
    Category.SHOES: "shoes",
    Category.AUTO: "auto",
}


def _try_on(work: TryOn, inputs: Mapping[Role, str]) -> Body:
    body: Body = {
        "src_file_url": inputs[Role.PERSON],
        "ref_file_url": inputs[Role.GARMENT],
        "garment_category": _GARMENTS[work.category],
    }
    if work.category in {Category.BOTTOM, Category.DRESS}:
        # The vendor would change the shoes along with it unless told not to.
        body["change_shoes"] = False
    return body


FEATURES: Mapping[str, Feature] = {"tryon": Feature("/s2s/v2.0/task/cloth-v4", 2, _try_on)}
"""Kind of work -> feature."""
