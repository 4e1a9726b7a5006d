"""Requests for work, one model per kind, and the answer to them.

A kind's terms are what its price depends on: all that an estimate names. A request adds what the work is made from.
"""

from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from closet_contracts.model import WHOLE
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
    Size,
    SkinAnalysis,
    Style,
    TemplateId,
    TextToImage,
    TryOn,
    Work,
)
from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from kiosk_gateway.domain.jobs import Status
from kiosk_gateway.http.route import Json, RequestBody, Text

PREFIX = "/api"
_ANY_PROMPT = "any"  # no price depends on the prompt
_HD = "hd_"
_ACTION = rf"^((hd_)?({'|'.join(Concern)})|dark_circle_v2)$"

Pixels = Annotated[int, Field(ge=64, le=4096), WHOLE]
Variants = Annotated[int, Field(ge=1, le=8), WHOLE]
Action = Annotated[str, StringConstraints(pattern=_ACTION)]
"""A concern by the product's name or by the vendor's."""
Actions = Annotated[tuple[Action, ...], Field(min_length=1, max_length=MAX_CONCERNS)]


class Cost(Json):
    """A price; `usd` is a decimal number in a string."""

    credits: int
    usd: str


class JobLinks(Json):
    """The URLs at which a job can be followed and cancelled."""

    status_url: str
    events_url: str
    cancel_url: str


class JobCreated(JobLinks):
    """An accepted job. `estimated_time` in seconds: the wait for its turn plus the usual duration of such jobs."""

    job_id: str
    status: Status
    estimated_time: int
    cost: Cost


def usd(cents: int) -> str:
    """Return cents as decimal dollars: `5.00` for 500."""
    return f"{cents // 100}.{cents % 100:02}"


def links(base: str, job_id: str) -> dict[str, str]:
    """Return the fields of `JobLinks`."""
    url = f"{base.rstrip('/')}{PREFIX}/gen/job/{job_id}"
    return {"status_url": url, "events_url": f"{url}/events", "cancel_url": f"{url}/cancel"}


class Part(NamedTuple):
    """An input picture: its role, the key of its upload, and the item that it belongs to."""

    role: Role
    key: str
    item: int = 0


Parts = tuple[Part, ...]


class JobRequestBody(RequestBody):
    """What every request for work may contain; `quote_id` names the estimate whose price applies."""

    is_batch: ClassVar[bool] = False
    quote_id: Text | None = None

    def work(self) -> Work:
        """Return the work to do."""
        raise NotImplementedError

    def parts(self) -> Parts:
        """Return the input pictures."""
        return ()

    def templates(self) -> tuple[str, ...]:
        """Return the vendor's templates that the request names."""
        return ()

    def refuses_consent(self) -> bool:
        """Return whether the request itself states that the person does not consent."""
        return False


class RequiresConsent(JobRequestBody):
    """A request with pictures. `consent: false` refuses; otherwise the stored consent decides."""

    consent: bool | None = None

    def refuses_consent(self) -> bool:
        return self.consent is False


class TryOnTerms(RequestBody):
    """A person wearing a garment."""

    type: Literal["tryon"] = "tryon"
    size: Size | None = None

    def work(self) -> TryOn:
        """Return the work to price."""
        return TryOn(size=self.size)


class TryOnRequest(TryOnTerms, RequiresConsent):
    """A person wearing a garment. `consent: false` refuses; otherwise the stored consent decides."""

    person_key: Text
    item_key: Text
    category: Category = Category.TOP
    fit_mode: Literal["standard"] = "standard"

    def work(self) -> TryOn:
        return TryOn(category=self.category, fit_mode=self.fit_mode, size=self.size)

    def parts(self) -> Parts:
        return Part(Role.PERSON, self.person_key), Part(Role.GARMENT, self.item_key)


class TextToImageTerms(RequestBody):
    """Pictures made from a prompt; each variant is a picture of its own."""

    type: Literal["text2img"] = "text2img"
    width: Pixels = 1024
    height: Pixels = 1024
    variants: Variants = 1

    @property
    def size(self) -> Size:
        return Size(width=self.width, height=self.height)

    def work(self) -> TextToImage:
        """Return the work to price."""
        return TextToImage(prompt=_ANY_PROMPT, size=self.size, variants=self.variants)


class TextToImageRequest(TextToImageTerms, JobRequestBody):
    """Pictures made from a prompt; each variant is a picture of its own."""

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


class EditTerms(RequestBody):
    """A picture changed as a prompt says."""

    type: Literal["edit"] = "edit"
    size: Size | None = None

    def work(self) -> Edit:
        """Return the work to price."""
        return Edit(prompt=_ANY_PROMPT, size=self.size)


class EditRequest(EditTerms, RequiresConsent):
    """A picture changed as the prompt says; with a mask of the same size, only where the mask is white."""

    image_key: Text
    prompt: Prompt
    mask_key: Text | None = None
    negative_prompt: NegativePrompt | None = None

    def work(self) -> Edit:
        return Edit(prompt=self.prompt, negative_prompt=self.negative_prompt, size=self.size)

    def parts(self) -> Parts:
        mask = () if self.mask_key is None else (Part(Role.MASK, self.mask_key),)
        return Part(Role.IMAGE, self.image_key), *mask


class HairstyleTerms(RequestBody):
    """A person with a different hairstyle."""

    type: Literal["hairstyle"] = "hairstyle"

    def work(self) -> Hairstyle:
        """Return the work to price."""
        return Hairstyle()


def _requires(field: str) -> JsonDict:
    """Return the schema of a request with a value in this field, which is otherwise nullable."""
    return {"required": [field], "properties": {field: {"type": "string"}}}


class HairstyleRequest(HairstyleTerms, RequiresConsent):
    """A person with the hairstyle of a reference picture or of a template: name exactly one of them."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_requires("referenceKey"), _requires("templateId")]})
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
    def _has_one_source(self) -> Self:
        if (self.reference_key is None) == (self.template_id is None):
            raise ValueError("exactly one of referenceKey and templateId is needed")
        return self


class SkinAnalysisTerms(RequestBody):
    """An analysis of a face's skin. The price depends on `hd` and on the number of concerns: one if none is named.

    A concern's `hd_` name requests high resolution, as `hd` does for all of them.
    """

    type: Literal["skin-analysis"] = "skin-analysis"
    actions: Actions = (Concern.ACNE,)
    hd: bool | None = None

    def work(self) -> SkinAnalysis:
        """Return the work to do."""
        hd = bool(self.hd) or self.actions[0].startswith(_HD)
        return SkinAnalysis(actions=tuple(map(_concern, self.actions)), hd=hd)

    @model_validator(mode="after")
    def _has_one_resolution(self) -> Self:
        resolutions = {action.startswith(_HD) for action in self.actions}
        if len(resolutions) > 1 or (self.hd is False and True in resolutions):
            raise ValueError("all actions must have the same resolution")
        if len(set(map(_concern, self.actions))) != len(self.actions):
            raise ValueError("each concern may be named once")
        return self


class SkinAnalysisRequest(SkinAnalysisTerms, RequiresConsent):
    """An analysis of a face's skin. A concern's `hd_` name requests high resolution, as `hd` does for all of them."""

    image_key: Text
    actions: Actions

    def parts(self) -> Parts:
        return (Part(Role.IMAGE, self.image_key),)


def _concern(action: str) -> Concern:
    return Concern(action.removeprefix(_HD).removesuffix("_v2"))
