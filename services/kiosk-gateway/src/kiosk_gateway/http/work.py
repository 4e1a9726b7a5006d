"""What clients may ask to be made: one model per kind, the same by itself and as an item of a batch."""

from typing import Annotated, Literal, NamedTuple, Self

from closet_contracts.model import open_union
from closet_contracts.work import (
    DEFAULT_NEGATIVE_PROMPT,
    Category,
    Edit,
    Hairstyle,
    NegativePrompt,
    Prompt,
    Role,
    Style,
    TemplateId,
    TextToImage,
    TryOn,
)
from pydantic import ConfigDict, model_validator
from pydantic.config import JsonDict

from kiosk_gateway.http.models import Asked, Text
from kiosk_gateway.http.terms import (
    Actions,
    BatchTerms,
    EditTerms,
    HairstyleTerms,
    Many,
    SkinAnalysisTerms,
    TextToImageTerms,
    TryOnTerms,
)


def _names(field: str) -> JsonDict:
    """The schema of a request that names this field, which otherwise may be null."""
    return {"required": [field], "properties": {field: {"type": "string"}}}


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

    def templates(self) -> tuple[str, ...]:
        """The vendor's templates that it names."""
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

    model_config = ConfigDict(json_schema_extra={"oneOf": [_names("referenceKey"), _names("templateId")]})
    image_key: Text
    reference_key: Text | None = None
    template_id: TemplateId | None = None

    def work(self) -> Hairstyle:
        return Hairstyle(template_id=self.template_id)

    def parts(self) -> Parts:
        reference = () if self.reference_key is None else (Part(Role.REFERENCE, self.reference_key),)
        return Part(Role.IMAGE, self.image_key), *reference

    def templates(self) -> tuple[str, ...]:
        return () if self.template_id is None else (self.template_id,)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.reference_key is None) == (self.template_id is None):
            raise ValueError("exactly one of referenceKey and templateId is needed")
        return self


class SkinAnalysisRequest(SkinAnalysisTerms, OfPerson):
    """A face's skin to be looked at. A concern's `hd_` name asks for high resolution, as `hd` does for all of them."""

    image_key: Text
    actions: Actions

    def parts(self) -> Parts:
        return (Part(Role.IMAGE, self.image_key),)


ItemRequest = Annotated[TryOnRequest | TextToImageRequest | EditRequest | HairstyleRequest, open_union("type")]


class BatchRequest(BatchTerms, OfPerson):
    """Many pictures in one job, each item a task of its own; the job completes with those that could be made."""

    items: Annotated[tuple[ItemRequest, ...], Many]

    def parts(self) -> Parts:
        return tuple(part._replace(item=number) for number, item in enumerate(self.items) for part in item.parts())

    def refuses_consent(self) -> bool:
        return super().refuses_consent() or any(item.refuses_consent() for item in self.items)

    def templates(self) -> tuple[str, ...]:
        return tuple(template for item in self.items for template in item.templates())

    @model_validator(mode="after")
    def _one_quote(self) -> Self:
        if any(item.quote_id is not None for item in self.items):
            raise ValueError("a quote is for the whole batch: name it beside the items")
        return self


JobRequest = TryOnRequest | TextToImageRequest | EditRequest | HairstyleRequest | SkinAnalysisRequest | BatchRequest
