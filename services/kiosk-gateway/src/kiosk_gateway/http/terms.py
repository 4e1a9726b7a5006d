"""What the price of work depends on: all that an estimate has to name, and what every request for work begins with."""

from typing import Annotated, Literal, Self

from closet_contracts.work import MAX_ITEMS, Batch, Concern, Edit, Hairstyle, Size, SkinAnalysis, TextToImage, TryOn
from pydantic import Field, RootModel, model_validator

from kiosk_gateway.http.models import Asked

_ANY_PROMPT = "any"  # no price depends on words

Pixels = Annotated[int, Field(ge=64, le=4096)]
Variants = Annotated[int, Field(ge=1, le=8)]
Many = Field(min_length=1, max_length=MAX_ITEMS)


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
    """A face's skin to be looked at."""

    type: Literal["skin-analysis"] = "skin-analysis"

    def work(self) -> SkinAnalysis:
        """What is to be made."""
        return SkinAnalysis(actions=(Concern.ACNE,))


ItemTerms = Annotated[TryOnTerms | TextToImageTerms | EditTerms | HairstyleTerms, Field(discriminator="type")]


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
            Field(discriminator="type"),
        ]
    ]
):
    """The terms of the work to be priced."""
