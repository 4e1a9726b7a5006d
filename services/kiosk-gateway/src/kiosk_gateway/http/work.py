"""What clients may ask to be made: one model per kind, the same by itself and as an item of a batch."""

from typing import Annotated, Literal, NamedTuple, Self

from closet_contracts.work import (
    DEFAULT_NEGATIVE_PROMPT,
    MAX_CONCERNS,
    Category,
    Concern,
    Edit,
    Hairstyle,
    NegativePrompt,
    Prompt,
    Role,
    SkinAnalysis,
    Style,
    TextToImage,
    TryOn,
)
from pydantic import Field, StringConstraints, model_validator

from kiosk_gateway.http.models import Asked, Text
from kiosk_gateway.http.terms import (
    BatchTerms,
    EditTerms,
    HairstyleTerms,
    Many,
    SkinAnalysisTerms,
    TextToImageTerms,
    TryOnTerms,
)

_HD = "hd_"
_ACTION = rf"^((hd_)?({'|'.join(Concern)})|dark_circle_v2)$"

Action = Annotated[str, StringConstraints(pattern=_ACTION)]
"""A concern by the product's name or by the vendor's."""


class Part(NamedTuple):
    """A picture that goes in: the part it plays, the key that its upload was given, and for which item it is."""

    role: Role
    key: str
    item: int = 0


Parts = tuple[Part, ...]


class Order(Asked):
    """What every request for work may say; `quote_id` is that of an estimate, whose price then holds."""

    quote_id: Text | None = None

    def parts(self) -> Parts:
        """The pictures that go in."""
        return ()

    def refuses_consent(self) -> bool:
        """Whether the request itself says that the person does not consent."""
        return False


class OfPerson(Order):
    """`consent: false` refuses; anything else leaves it to the consent on record."""

    consent: bool | None = None

    def refuses_consent(self) -> bool:
        return self.consent is False


class TryOnRequest(TryOnTerms, OfPerson):
    """A person to wear a garment. `consent: false` refuses; anything else leaves it to the consent on record."""

    person_key: Text
    item_key: Text
    category: Category = Category.TOP
    fit_mode: Literal["standard"] = "standard"

    def work(self) -> TryOn:
        return TryOn(category=self.category, fit_mode=self.fit_mode, size=self.size)

    def parts(self) -> Parts:
        return Part(Role.PERSON, self.person_key), Part(Role.GARMENT, self.item_key)


class TextToImageRequest(TextToImageTerms, Order):
    """Pictures to be made from words, each variant one of its own."""

    prompt: Prompt
    negative_prompt: NegativePrompt = DEFAULT_NEGATIVE_PROMPT
    style: Style = Style.PHOTOREALISTIC

    def work(self) -> TextToImage:
        return TextToImage(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            style=self.style,
            size=self.size,
            variants=self.variants,
        )


class EditRequest(EditTerms, OfPerson):
    """A picture to be changed as the prompt says; with a mask of the same size, only where that is white."""

    image_key: Text
    prompt: Prompt
    mask_key: Text | None = None
    negative_prompt: NegativePrompt | None = None

    def work(self) -> Edit:
        return Edit(prompt=self.prompt, negative_prompt=self.negative_prompt, size=self.size)

    def parts(self) -> Parts:
        mask = () if self.mask_key is None else (Part(Role.MASK, self.mask_key),)
        return Part(Role.IMAGE, self.image_key), *mask


class HairstyleRequest(HairstyleTerms, OfPerson):
    """A person to have the hair of a reference picture or of a template: exactly one is named."""

    image_key: Text
    reference_key: Text | None = None
    template_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None

    def work(self) -> Hairstyle:
        return Hairstyle(template_id=self.template_id)

    def parts(self) -> Parts:
        reference = () if self.reference_key is None else (Part(Role.REFERENCE, self.reference_key),)
        return Part(Role.IMAGE, self.image_key), *reference

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.reference_key is None) == (self.template_id is None):
            raise ValueError("exactly one of referenceKey and templateId is needed")
        return self


class SkinAnalysisRequest(SkinAnalysisTerms, OfPerson):
    """A face's skin to be looked at. A concern's `hd_` name asks for high resolution, as `hd` does for all of them."""

    image_key: Text
    actions: Annotated[tuple[Action, ...], Field(min_length=1, max_length=MAX_CONCERNS)]
    hd: bool | None = None

    def work(self) -> SkinAnalysis:
        hd = bool(self.hd) or self.actions[0].startswith(_HD)
        return SkinAnalysis(actions=tuple(map(_concern, self.actions)), hd=hd)

    def parts(self) -> Parts:
        return (Part(Role.IMAGE, self.image_key),)

    @model_validator(mode="after")
    def _one_resolution(self) -> Self:
        named = {action.startswith(_HD) for action in self.actions}
        if len(named) > 1 or (self.hd is False and True in named):
            raise ValueError("all actions are of one resolution")
        if len(set(map(_concern, self.actions))) != len(self.actions):
            raise ValueError("each concern may be named once")
        return self


ItemRequest = Annotated[TryOnRequest | TextToImageRequest | EditRequest | HairstyleRequest, Field(discriminator="type")]


class BatchRequest(BatchTerms, OfPerson):
    """Many pictures in one job, each item a task of its own; the job completes with those that could be made."""

    items: Annotated[tuple[ItemRequest, ...], Many]

    def parts(self) -> Parts:
        return tuple(part._replace(item=number) for number, item in enumerate(self.items) for part in item.parts())

    def refuses_consent(self) -> bool:
        return super().refuses_consent() or any(item.refuses_consent() for item in self.items)

    @model_validator(mode="after")
    def _one_quote(self) -> Self:
        if any(item.quote_id is not None for item in self.items):
            raise ValueError("a quote is for the whole batch: name it beside the items")
        return self


JobRequest = TryOnRequest | TextToImageRequest | EditRequest | HairstyleRequest | SkinAnalysisRequest | BatchRequest


def _concern(action: str) -> Concern:
    return Concern(action.removeprefix(_HD).removesuffix("_v2"))
