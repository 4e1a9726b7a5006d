"""What can be made, what each kind of it needs, and those limits of the vendor's of which clients should hear."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationInfo, model_validator
from pydantic.json_schema import SkipJsonSchema

from closet_contracts.credit import KINDS, Chargeable
from closet_contracts.model import WHOLE, Model, is_tolerant, open_union
from closet_contracts.text import ONE_LINE, PLAIN, Storable

DEFAULT_NEGATIVE_PROMPT = "watermark, logo, text, cartoon, blurry, distorted anatomy, low quality"
MAX_ITEMS = 50
MAX_CONCERNS = 16  # the vendor sells up to so many in one analysis

Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=800), PLAIN]
NegativePrompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), PLAIN]
TemplateId = Annotated[str, StringConstraints(min_length=1, max_length=128), ONE_LINE]


class Category(StrEnum):
    """Where on the body the garment is worn."""

    TOP = "top"
    BOTTOM = "bottom"
    DRESS = "dress"
    OUTERWEAR = "outerwear"
    SHOES = "shoes"
    AUTO = "auto"


class Style(StrEnum):
    """How a picture made from words looks."""

    PHOTOREALISTIC = "photorealistic"
    FASHION = "fashion"
    STUDIO = "studio"
    LIFESTYLE = "lifestyle"


class Concern(StrEnum):
    """What an analysis of skin looks at."""

    WRINKLE = "wrinkle"
    PORE = "pore"
    TEXTURE = "texture"
    ACNE = "acne"
    OILINESS = "oiliness"
    RADIANCE = "radiance"
    EYE_BAG = "eye_bag"
    AGE_SPOT = "age_spot"
    DARK_CIRCLE = "dark_circle"
    DROOPY_UPPER_EYELID = "droopy_upper_eyelid"
    DROOPY_LOWER_EYELID = "droopy_lower_eyelid"
    FIRMNESS = "firmness"
    MOISTURE = "moisture"
    REDNESS = "redness"
    TEAR_TROUGH = "tear_trough"
    SKIN_TYPE = "skin_type"


class Role(StrEnum):
    """The part an input plays in the work."""

    PERSON = "person"
    GARMENT = "garment"
    IMAGE = "image"
    MASK = "mask"
    REFERENCE = "reference"


class Size(Model):
    """A picture's size in pixels."""

    width: Annotated[int, Field(ge=64, le=4096), WHOLE]
    height: Annotated[int, Field(ge=64, le=4096), WHOLE]

    @property
    def pixels(self) -> int:
        return self.width * self.height


class TryOn(Model):
    """A person wearing a garment. Without `size` the picture keeps the size the vendor made it in."""

    kind: Literal["tryon"] = "tryon"
    category: Category = Category.TOP
    fit_mode: Literal["standard"] = "standard"
    size: Size | None = None

    def chargeable(self) -> Chargeable:
        """What the price depends on."""
        return Chargeable(kind=self.kind, pixels=_pixels(self.size))


class TextToImage(Model):
    """Pictures made from words; each variant is a picture of its own."""

    kind: Literal["text2img"] = "text2img"
    prompt: Prompt
    negative_prompt: NegativePrompt = DEFAULT_NEGATIVE_PROMPT
    style: Style = Style.PHOTOREALISTIC
    size: Size = Size(width=1024, height=1024)
    variants: Annotated[int, Field(ge=1, le=8)] = 1

    def chargeable(self) -> Chargeable:
        """What the price depends on."""
        return Chargeable(kind=self.kind, units=self.variants, pixels=self.size.pixels)


class Edit(Model):
    """A picture changed as the prompt says; with a mask, only where that is white."""

    kind: Literal["edit"] = "edit"
    prompt: Prompt
    negative_prompt: NegativePrompt | None = None
    size: Size | None = None

    def chargeable(self) -> Chargeable:
        """What the price depends on."""
        return Chargeable(kind=self.kind, pixels=_pixels(self.size))


class Hairstyle(Model):
    """A person with other hair: that of a template, or without one that of the reference picture."""

    kind: Literal["hairstyle"] = "hairstyle"
    template_id: TemplateId | None = None

    def chargeable(self) -> Chargeable:
        """What the price depends on."""
        return Chargeable(kind=self.kind)


class SkinAnalysis(Model):
    """Scores of a face's skin, and a mask picture where the vendor draws one. `hd` wants a photo of high resolution."""

    kind: Literal["skin-analysis"] = "skin-analysis"
    actions: Annotated[tuple[Concern, ...], Field(min_length=1, max_length=MAX_CONCERNS)]
    hd: bool = False

    def chargeable(self) -> Chargeable:
        """What the price depends on."""
        return Chargeable(kind=self.kind, variant="hd" if self.hd else "sd", quantity=len(self.actions))

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.actions)) != len(self.actions):
            raise ValueError("each concern may be named once")
        return self


class UnknownKind(LookupError):
    """Work of a kind that this release does not know: a newer one asked for it, and may do it."""


class UnknownWork(Model):
    """Work of a kind that is not known here, with all that was said of it. Only what others have sent can be that."""

    model_config = ConfigDict(extra="allow")
    kind: Storable

    def chargeable(self) -> Chargeable:
        """What the price depends on is not known.

        Raises:
            UnknownKind: always.
        """
        raise UnknownKind(self.kind)

    @model_validator(mode="after")
    def _is_unknown(self, info: ValidationInfo) -> Self:
        if self.kind in KINDS or not is_tolerant(info):
            raise ValueError("this kind of work is known, or nobody else has sent it")
        return self


_OPEN_UNION = open_union("kind")
_ELSE_UNKNOWN = Field(union_mode="left_to_right")

_BatchItem: TypeAlias = Annotated[TryOn | TextToImage | Edit | Hairstyle, _OPEN_UNION]
BatchItem: TypeAlias = Annotated[_BatchItem | SkipJsonSchema[UnknownWork], _ELSE_UNKNOWN]


class Batch(Model):
    """Many pictures in one job, each a task of its own. The job completes with those that could be made."""

    kind: Literal["batch"] = "batch"
    items: Annotated[tuple[BatchItem, ...], Field(min_length=1, max_length=MAX_ITEMS)]

    def chargeable(self) -> Chargeable:
        """What the price depends on."""
        each = tuple(item.chargeable().pixels for item in self.items)
        return Chargeable(kind=self.kind, units=len(self.items), pixels_each=each)

    @model_validator(mode="after")
    def _one_picture_each(self) -> Self:
        if any(isinstance(item, TextToImage) and item.variants > 1 for item in self.items):
            raise ValueError("an item of a batch is one picture: name it again for another variant")
        return self


_Task: TypeAlias = Annotated[TryOn | TextToImage | Edit | Hairstyle | SkinAnalysis, _OPEN_UNION]
Task: TypeAlias = Annotated[_Task | SkipJsonSchema[UnknownWork], _ELSE_UNKNOWN]
"""What is one task at the vendor."""

_Work: TypeAlias = Annotated[TryOn | TextToImage | Edit | Hairstyle | SkinAnalysis | Batch, _OPEN_UNION]
Work: TypeAlias = Annotated[_Work | SkipJsonSchema[UnknownWork], _ELSE_UNKNOWN]
"""What a job is about: one task or several."""

TASK: TypeAdapter[Task] = TypeAdapter(Task)
WORK: TypeAdapter[Work] = TypeAdapter(Work)


def tasks_of(work: Work) -> Sequence[Task]:
    """The tasks that the work consists of; a task's place among them is its item's number.

    Raises:
        UnknownKind: of which tasks it consists is not known.
    """
    match work:
        case UnknownWork(kind=kind):
            raise UnknownKind(kind)
        case Batch(items=items):
            return [task for item in items for task in tasks_of(item)]
        case TextToImage(variants=variants):
            return [work.model_copy(update={"variants": 1})] * variants
        case _:
            return [work]


def size_of(task: Task) -> Size | None:
    """The size that was asked for, if the kind of work has one and it was."""
    return None if isinstance(task, Hairstyle | SkinAnalysis | UnknownWork) else task.size


def _pixels(size: Size | None) -> int:
    return size.pixels if size else 0
