"""Requests that contain any kind of work: batches, and estimates."""

from typing import Annotated, ClassVar, Literal, Self

from closet_contracts.model import open_union
from closet_contracts.work import MAX_ITEMS, Batch
from pydantic import Field, RootModel, model_validator

from kiosk_gateway.http.route import RequestBody
from kiosk_gateway.http.work import (
    EditRequest,
    EditTerms,
    HairstyleRequest,
    HairstyleTerms,
    Parts,
    RequiresConsent,
    SkinAnalysisRequest,
    SkinAnalysisTerms,
    TextToImageRequest,
    TextToImageTerms,
    TryOnRequest,
    TryOnTerms,
)

BatchItems = Field(min_length=1, max_length=MAX_ITEMS)
ItemTerms = Annotated[TryOnTerms | TextToImageTerms | EditTerms | HairstyleTerms, open_union("type")]
ItemRequest = Annotated[TryOnRequest | TextToImageRequest | EditRequest | HairstyleRequest, open_union("type")]


class BatchTerms(RequestBody):
    """Many pictures in one job."""

    type: Literal["batch"] = "batch"
    items: Annotated[tuple[ItemTerms, ...], BatchItems]

    def work(self) -> Batch:
        """Return the work to do."""
        return Batch(items=tuple(item.work() for item in self.items))

    @model_validator(mode="after")
    def _has_one_picture_per_item(self) -> Self:
        if any(isinstance(item, TextToImageTerms) and item.variants > 1 for item in self.items):
            raise ValueError("an item of a batch is one picture: add another item for another variant")
        return self


class BatchRequest(BatchTerms, RequiresConsent):
    """Many pictures in one job, each item a task of its own; the job completes with the items that succeed."""

    is_batch: ClassVar[bool] = True
    items: Annotated[tuple[ItemRequest, ...], BatchItems]

    def parts(self) -> Parts:
        return tuple(part._replace(item=number) for number, item in enumerate(self.items) for part in item.parts())

    def refuses_consent(self) -> bool:
        return super().refuses_consent() or any(item.refuses_consent() for item in self.items)

    def templates(self) -> tuple[str, ...]:
        return tuple(template for item in self.items for template in item.templates())

    @model_validator(mode="after")
    def _has_one_quote(self) -> Self:
        if any(item.quote_id is not None for item in self.items):
            raise ValueError("a quote applies to the whole batch: name it beside the items")
        return self


JobBody = TryOnRequest | TextToImageRequest | EditRequest | HairstyleRequest | SkinAnalysisRequest | BatchRequest


class EstimateRequest(
    RootModel[
        Annotated[
            TryOnTerms | TextToImageTerms | EditTerms | HairstyleTerms | SkinAnalysisTerms | BatchTerms,
            open_union("type"),
        ]
    ]
):
    """The terms of the work to price."""
