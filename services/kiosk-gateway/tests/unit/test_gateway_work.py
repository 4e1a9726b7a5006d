"""What clients may ask for, and that its price depends on its terms alone."""

from typing import Any

import pytest
from closet_contracts.work import Concern, Role
from kiosk_gateway.http.batch import BatchRequest, EstimateRequest, JobBody
from kiosk_gateway.http.work import (
    EditRequest,
    HairstyleRequest,
    Part,
    SkinAnalysisRequest,
    TextToImageRequest,
    TryOnRequest,
)
from pydantic import ValidationError

LARGE = {"width": 2048, "height": 2048}
TRY_ON = {"type": "tryon", "personKey": "p", "itemKey": "g", "category": "dress"}
WORDS = {"type": "text2img", "prompt": "a red dress"}
EDIT = {"type": "edit", "imageKey": "i", "prompt": "tidy up", "maskKey": "m"}
HAIR = {"type": "hairstyle", "imageKey": "i", "templateId": "t"}
SKIN = {"imageKey": "i", "actions": ["acne"]}


@pytest.mark.parametrize(
    ("terms", "kind", "rest"),
    [
        ({"type": "tryon", "size": LARGE}, TryOnRequest, TRY_ON),
        ({"type": "text2img", **LARGE, "variants": 3}, TextToImageRequest, WORDS),
        ({"type": "edit", "size": LARGE}, EditRequest, EDIT),
        ({"type": "hairstyle"}, HairstyleRequest, HAIR),
        ({"type": "skin-analysis"}, SkinAnalysisRequest, SKIN),
        ({"type": "skin-analysis", "actions": ["hd_acne", "hd_pore"]}, SkinAnalysisRequest, {"imageKey": "i"}),
        ({"type": "skin-analysis", "actions": list(Concern), "hd": True}, SkinAnalysisRequest, {"imageKey": "i"}),
        (
            {"type": "batch", "items": [{"type": "tryon"}, {"type": "text2img"}, {"type": "edit"}]},
            BatchRequest,
            {"items": [TRY_ON, WORDS, EDIT]},
        ),
    ],
)
def test_an_estimate_asks_for_no_inputs_and_prices_what_the_job_will_be(
    terms: dict[str, Any], kind: type[JobBody], rest: dict[str, Any]
) -> None:
    estimated = EstimateRequest.model_validate(terms).root.work()
    assert kind.model_validate({**terms, **rest}).work().chargeable() == estimated.chargeable()


def test_the_parts_of_a_batch_know_their_items() -> None:
    body = BatchRequest.model_validate({"items": [TRY_ON, WORDS, EDIT, HAIR]})
    assert [item.kind for item in body.work().items] == ["tryon", "text2img", "edit", "hairstyle"]
    assert body.parts() == (
        Part(Role.PERSON, "p", 0),
        Part(Role.GARMENT, "g", 0),
        Part(Role.IMAGE, "i", 2),
        Part(Role.MASK, "m", 2),
        Part(Role.IMAGE, "i", 3),
    )
    assert not body.refuses_consent()
    assert BatchRequest.model_validate({"items": [WORDS, {**HAIR, "consent": False}]}).refuses_consent()


@pytest.mark.parametrize(
    ("asked", "concerns", "hd"),
    [
        ({"actions": ["acne", "dark_circle_v2"]}, (Concern.ACNE, Concern.DARK_CIRCLE), False),
        ({"actions": ["hd_acne", "hd_dark_circle"]}, (Concern.ACNE, Concern.DARK_CIRCLE), True),
        ({"actions": ["acne"], "hd": True}, (Concern.ACNE,), True),
    ],
)
def test_the_vendors_names_of_concerns_are_understood(
    asked: dict[str, Any], concerns: tuple[Concern, ...], hd: bool
) -> None:
    work = SkinAnalysisRequest.model_validate({**SKIN, **asked}).work()
    assert (work.actions, work.hd) == (concerns, hd)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (SkinAnalysisRequest, {**SKIN, "actions": ["acne", "hd_pore"]}),
        (SkinAnalysisRequest, {**SKIN, "actions": ["hd_pore"], "hd": False}),
        (SkinAnalysisRequest, {**SKIN, "actions": ["dark_circle", "dark_circle_v2"]}),
        (SkinAnalysisRequest, {**SKIN, "actions": ["nose"]}),
        (SkinAnalysisRequest, {**SKIN, "actions": []}),
        (SkinAnalysisRequest, {**SKIN, "actions": [*Concern, "acne"]}),
        (HairstyleRequest, {"imageKey": "i"}),
        (HairstyleRequest, {**HAIR, "referenceKey": "r"}),
        (TextToImageRequest, {"prompt": "  "}),
        (TextToImageRequest, {**WORDS, "variants": 9}),
        (BatchRequest, {"items": []}),
        (BatchRequest, {"items": [WORDS] * 51}),
        (BatchRequest, {"items": [{**WORDS, "variants": 2}]}),
        (BatchRequest, {"items": [{**WORDS, "quoteId": "quo_1"}]}),
        (BatchRequest, {"items": [{"type": "batch", "items": [WORDS]}]}),
        (BatchRequest, {"items": [{**SKIN, "type": "skin-analysis"}]}),
        (EstimateRequest, {"type": "batch", "items": [{"type": "text2img", "variants": 2}]}),
    ],
)
def test_what_makes_no_sense_is_refused(kind: Any, asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(asked)
