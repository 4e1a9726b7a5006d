"""What the price of work depends on: all that an estimate has to name, and what every request for work begins with."""

from typing import Annotated, Literal, Self

from closet_contracts.model import WHOLE, open_union
from closet_contracts.work import (
    MAX_CONCERNS,
    MAX_ITEMS,
    Batch,
    Concern,
    Edit,
    Hairstyle,
    Size,
    SkinAnalysis,
    TextToImage,
    TryOn,
)
from pydantic import Field, RootModel, StringConstraints, model_validator

from kiosk_gateway.http.models import Asked

_ANY_PROMPT = "any"  # no price depends on words

Pixels = Annotated[int, Field(ge=64, le=4096), WHOLE]
Variants = Annotated[int, Field(ge=1, le=8), WHOLE]
Many = Field(min_length=1, max_length=MAX_ITEMS)

_HD = "hd_"
_ACTION = rf"^((hd_)?({'|'.join(Concern)})|dark_circle_v2)$"

Action = Annotated[str, StringConstraints(pattern=_ACTION)]
"""A concern by the product's name or by the vendor's."""
Actions = Annotated[tuple[Action, ...], Field(min_length=1, max_length=MAX_CONCERNS)]


class TryOnTerms(Asked):
    """A person to wear a garment."""

    type: Literal["tryon"] = "tryon"
    size: Size | None = None

    def work(self) -> TryOn:
        """What is to be made."""
        return TryOn(size=self.size)


class TextToImageTerms(Asked):
    """Pictures to be made from words, each variant one of its own."""

    type: Literal["text2img"] = "text2img"
    width: Pixels = 1024
    height: Pixels = 1024
    variants: Variants = 1

    @property
    def size(self) -> Size:
        return Size(width=self.width, height=self.height)

    def work(self) -> TextToImage:
        """What is to be made."""
        return TextToImage(prompt=_ANY_PROMPT, size=self.size, variants=self.variants)


class EditTerms(Asked):
    """A picture to be changed."""

    type: Literal["edit"] = "edit"
    size: Size | None = None

    def work(self) -> Edit:
        """What is to be made."""
        return Edit(prompt=_ANY_PROMPT, size=self.size)


class HairstyleTerms(Asked):
    """A person to have other hair."""

    type: Literal["hairstyle"] = "hairstyle"

    def work(self) -> Hairstyle:
        """What is to be made."""
        return Hairstyle()


class SkinAnalysisTerms(Asked):
    """A face's skin to be looked at. The price depends on `hd` and on how many concerns are named: one if none is.

    A concern's `hd_` name asks for high resolution, as `hd` does for all of them.
    """

    type: Literal["skin-analysis"] = "skin-analysis"
    actions: Actions = (Concern.ACNE,)
    hd: bool | None = None

    def work(self) -> SkinAnalysis:
        """What is to be made."""
        hd = bool(self.hd) or self.actions[0].startswith(_HD)
        return SkinAnalysis(actions=tuple(map(_concern, self.actions)), hd=hd)

    @model_validator(mode="after")
    def _one_resolution(self) -> Self:
        named = {action.startswith(_HD) for action in self.actions}
        if len(named) > 1 or (self.hd is False and True in named):
            raise ValueError("all actions are of one resolution")
        if len(set(map(_concern, self.actions))) != len(self.actions):
            raise ValueError("each concern may be named once")
        return self


ItemTerms = Annotated[TryOnTerms | TextToImageTerms | EditTerms | HairstyleTerms, open_union("type")]


class BatchTerms(Asked):
    """Many pictures in one job."""

    type: Literal["batch"] = "batch"
    items: Annotated[tuple[ItemTerms, ...], Many]

    def work(self) -> Batch:
        """What is to be made."""
        return Batch(items=tuple(item.work() for item in self.items))

    @model_validator(mode="after")
    def _one_picture_each(self) -> Self:
        if any(isinstance(item, TextToImageTerms) and item.variants > 1 for item in self.items):
            raise ValueError("an item of a batch is one picture: name it again for another variant")
        return self


class EstimateRequest(
    RootModel[
        Annotated[
            TryOnTerms | TextToImageTerms | EditTerms | HairstyleTerms | SkinAnalysisTerms | BatchTerms,
            open_union("type"),
        ]
    ]
):
    """The terms of the work to be priced."""


def _concern(action: str) -> Concern:
    return Concern(action.removeprefix(_HD).removesuffix("_v2"))
